#!/usr/bin/env bash
# Guess: a queue that is bound to a headers exchange with a time gets the messages whose
# header has that time. In RabbitMQ 3.10 it does, and a whole number of as many seconds
# matches too.
# Truth: in 4.3 a time does not match itself. It compares the milliseconds of the message's
# time with the seconds of the binding's: a binding gets the messages with that time if it
# is made with a whole number, 1000 times as large. A header that is a number is compared
# as it is: the seconds, as a number, do match a binding with the time.
# Versions: RabbitMQ 3.10.8 of Debian 12 and 4.3.6 of Debian sid.
# Source: what is returned as unroutable in the run below.
set -euo pipefail
if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
	echo "this needs root, and Debian's debootstrap" >&2
	exit 1
fi
dir=$(mktemp -d)
group=
stop() {
	[ -n "$group" ] || return 0
	kill -- "-$group" 2>/dev/null || true
	while kill -0 -- "-$group" 2>/dev/null; do sleep 0.1; done
	group=
}
finish() {
	stop
	rm -rf --one-file-system "$dir"
}
trap finish EXIT

# on starts the RabbitMQ of a release of Debian, and runs ask.py beside it.
on() {
	local root=$dir/$1 node
	debootstrap --variant=minbase --include=rabbitmq-server,python3-pika \
		"$1" "$root" http://deb.debian.org/debian >"$dir/log" 2>&1 || { tail "$dir/log" >&2; exit 1; }
	echo '127.0.0.1 localhost' >"$root/etc/hosts"
	printf 'listeners.tcp.1 = 127.0.0.1:%s\nvm_memory_calculation_strategy = allocated\ntotal_memory_available_override_value = 2GB\n' \
		"$port" >"$root/etc/rabbitmq/rabbitmq.conf"
	node=(
		PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root HOSTNAME=localhost
		ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$((port + 1))
		RABBITMQ_DIST_PORT=$((port + 2)) RABBITMQ_NODENAME=finding@localhost
	)
	set -m
	(
		env -i "${node[@]}" chroot "$root" epmd &
		exec env -i "${node[@]}" chroot "$root" /usr/lib/rabbitmq/bin/rabbitmq-server
	) >"$dir/log" 2>&1 &
	group=$!
	set +m
	cp "$dir/ask.py" "$root/ask.py"
	env -i "${node[@]}" chroot "$root" python3 -W ignore /ask.py "$port" || { tail "$dir/log" >&2; exit 1; }
	stop
}
port=$((20000 + RANDOM % 10000))
cat >"$dir/ask.py" <<'PY'
import sys, time
from datetime import datetime
import pika

def connect():
    until = time.monotonic() + 120
    while True:
        try:
            return pika.BlockingConnection(pika.URLParameters(f'amqp://guest:guest@127.0.0.1:{sys.argv[1]}/'))
        except pika.exceptions.AMQPConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)

connection = connect()
print('RabbitMQ', connection._impl.server_properties['version'])

channel = connection.channel()
channel.confirm_delivery()

def matches(bound, header):
    queue = channel.queue_declare('', exclusive=True).method.queue
    channel.queue_bind(queue, 'amq.headers', '', {'at': bound})
    try:
        channel.basic_publish('amq.headers', '', b'x', pika.BasicProperties(headers={'at': header}), mandatory=True)
        return True
    except pika.exceptions.UnroutableError:
        return False
    finally:
        channel.queue_delete(queue)

at, seconds = datetime(2023, 11, 14, 22, 13, 20), 1700000000
print('bound to a time, sent with it:', matches(at, at))
print('bound to its seconds as a number:', matches(seconds, at))
print('bound to its milliseconds as a number:', matches(1000 * seconds, at))
print('bound to a time, sent with its seconds as a number:', matches(at, seconds))
PY
on bookworm >>"$dir/got"
on sid >>"$dir/got"
got=$(cat "$dir/got")
want='RabbitMQ 3.10.8
bound to a time, sent with it: True
bound to its seconds as a number: True
bound to its milliseconds as a number: False
bound to a time, sent with its seconds as a number: True
RabbitMQ 4.3.6
bound to a time, sent with it: False
bound to its seconds as a number: False
bound to its milliseconds as a number: True
bound to a time, sent with its seconds as a number: True'
echo "$got"
[ "$got" = "$want" ] || { echo "CHANGED; it was: $want" >&2; exit 1; }
