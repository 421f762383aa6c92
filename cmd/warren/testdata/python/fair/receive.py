# The lecture's receiver that acknowledges, with the prefetch of one that its text
# asks for.
# The lecture imports only pika.
import random
import time

import pika

connection = pika.BlockingConnection(
    pika.ConnectionParameters(host='localhost'))
channel = connection.channel()

channel.queue_declare(queue='hello', durable=True)

def callback(ch, method, properties, body):
    print('Start processing {}'.format(body.decode()))
    t = time.time()
    time.sleep(random.randint(1, 5))
    print('Processed for {:.2f} sec.'.format(time.time() - t))
    channel.basic_ack(delivery_tag = method.delivery_tag)

channel.basic_qos(prefetch_count=1)
# pika 1.0 turned the arguments around and calls no_ack auto_ack.
channel.basic_consume('hello', callback, auto_ack=False)

print('Waiting for messages. To exit press CTRL+C')
channel.start_consuming()
