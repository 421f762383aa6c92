# The lecture's tasks.
import tempfile
import time
from celery import Celery

# The lecture's user is quest, whom no broker knows.
app = Celery('tasks', broker='amqp://guest@localhost//')
# Celery 5 has no amqp:// backend any more, and rpc://, which came after it, has no
# chords. The files are for one machine, and need nothing else.
app.conf.result_backend = 'file://' + tempfile.gettempdir()

@app.task
def add(x,y):
    print('add({0}, {1})'.format(x, y))
    time.sleep(0.1)
    return x + y

@app.task
def mul(x,y):
    print('mul({0}, {1})'.format(x, y))
    return x * y

@app.task
def xsum(l):
    print('xsum({0})'.format(l))
    return sum(l)

@app.task
def broken_task():
    raise Exception('failed')

# Celery 4 and later call an errback that takes several arguments with the request,
# the exception and the traceback of the task before the errback's own.
@app.task
def on_task_error(request, exc, traceback, task_name):
    print('ERROR IN TASK {0}: {1}'.format(request.id, task_name))

@app.task
def print_task(x):
    print(x)

@app.task
def on_task_success(task_id, task_name):
    print('TASK SUCCEEDED {0}: {1}'.format(task_id, task_name))

if __name__ == '__main__':
    app.worker_main()
