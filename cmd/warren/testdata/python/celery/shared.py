# A worker that takes from the same queue as `warren worker`, and has two of its tasks.
# A third one, which only it has, is on a queue of its own.
from celery import Celery

app = Celery('shared', broker='amqp://guest@localhost//', backend='rpc://')
app.conf.task_routes = {'only_python': 'python'}

@app.task(name='add')
def add(x, y):
    print('add({0}, {1})'.format(x, y))
    return x + y

@app.task(name='mul')
def mul(x, y):
    print('mul({0}, {1})'.format(x, y))
    return x * y

@app.task(name='only_python')
def only_python(key):
    return {}[key]
