# The lecture's sender of five messages, as it is.
import pika

connection = pika.BlockingConnection(
    pika.ConnectionParameters(host='localhost'))
channel = connection.channel()

channel.queue_declare(queue='hello')

for i in range(5):
    channel.basic_publish(exchange='',
                          routing_key='hello',
                          body=('Hello World {}'.format(i)).encode())

print("Sent 'Hello World!'")
connection.close()
