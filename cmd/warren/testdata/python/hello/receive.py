# The lecture's first receiver.
import pika

connection = pika.BlockingConnection(
    pika.ConnectionParameters(host='localhost'))
channel = connection.channel()

channel.queue_declare(queue='hello')

def callback(ch, method, properties, body):
    # The lecture formats with '%r'.format(body), which prints %r in every Python.
    print('Received {}'.format(body))

# pika 1.0 turned the arguments around and calls no_ack auto_ack.
channel.basic_consume('hello', callback, auto_ack=True)

print('Waiting for messages. To exit press CTRL+C')
channel.start_consuming()
