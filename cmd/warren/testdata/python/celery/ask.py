# A client of tasks that workers of both kinds run.
import sys

from celery import chain, group
from shared import add, mul, only_python

print(group(add.s(i, i) for i in range(20))().get(timeout=30))
print(chain(add.s(4, 4), mul.s(8), mul.s(2))().get(timeout=30))

# A task that only `warren worker` has, on a queue that only it takes from.
from shared import app
broken = app.send_task('broken_task', queue='go')
try:
    broken.get(timeout=30)
except Exception as e:
    print(type(e).__name__, e, broken.state)
