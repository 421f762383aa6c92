# The lecture's receiver that takes its time.
# The lecture imports only pika.
import random
import time

import pika

connection = pika.BlockingConnection(
    pika.ConnectionParameters(host='localhost'))
channel = connection.channel()

channel.queue_declare(queue='hello')

def callback(ch, method, properties, body):
    print('Start processing {}'.format(body.decode()))
    t = time.time()
    time.sleep(random.randint(1, 5))
    print('Processed for {:.32f} sec.'.format(time.time() - t))

# pika 1.0 turned the arguments around and calls no_ack auto_ack.
channel.basic_consume('hello', callback, auto_ack=True)

print('Waiting for messages. To exit press CTRL+C')
channel.start_consuming()
