# A task that Celery's beat sends again and again.
from celery import Celery

app = Celery('ticking', broker='amqp://guest@localhost//')
app.conf.beat_schedule = {'tick': {'task': 'tick', 'schedule': 0.2}}

@app.task(name='tick')
def tick():
    print('tick')
