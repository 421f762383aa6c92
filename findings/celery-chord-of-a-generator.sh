#!/usr/bin/env bash
# Guess: a chord sends the same tasks whether the group in its header was made of a list
# or of a generator: group(generator) alone does.
# Truth: with a result backend that does not count chords itself, such as files, Celery
# 5.2 sends two of ten tasks of chord(group(generator), body), and the task that waits
# for ten of them: the body never runs. Celery 5.6.3 sends all of them.
# Versions: Celery 5.2.6 and kombu 5.2.4 of Debian 12, Python 3.11.
# Source: the messages counted in the run below.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir debs root messages results
(cd debs && apt-get -qq download python3-celery=5.2.6-5 python3-kombu=5.2.4-1 python3-amqp python3-vine \
	python3-billiard python3-click python3-click-didyoumean python3-click-plugins python3-click-repl \
	python3-prompt-toolkit python3-wcwidth python3-tz python3-six python3-pkg-resources 2>/dev/null)
for deb in debs/*.deb; do dpkg -x "$deb" root; done
cat >count.py <<'PY'
import os
import celery
import kombu
from celery import Celery, chord, group

app = Celery('count', broker='filesystem://', backend='file://results')
app.conf.broker_transport_options = {'data_folder_in': 'messages', 'data_folder_out': 'messages'}

@app.task
def add(x, y):
    return x + y

@app.task
def xsum(numbers):
    return sum(numbers)

def sent(send):
    before = len(os.listdir('messages'))
    send()
    return len(os.listdir('messages')) - before

print('celery', celery.__version__, 'kombu', kombu.__version__)
print('group of a generator:', sent(lambda: group(add.s(i, i) for i in range(10))()))
print('chord of a list:', sent(lambda: chord(group([add.s(i, i) for i in range(10)]), xsum.s())()))
print('chord of a generator:', sent(lambda: chord(group(add.s(i, i) for i in range(10)), xsum.s())()))
PY
got=$(PYTHONPATH=root/usr/lib/python3/dist-packages /usr/bin/python3 -B count.py)
echo "$got"
want='celery 5.2.6 kombu 5.2.4
group of a generator: 10
chord of a list: 11
chord of a generator: 3'
[ "$got" = "$want" ] || { echo 'it is otherwise now' >&2; exit 1; }
