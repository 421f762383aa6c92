# Has programs that connect to AMQP's own port connect to that of a test's broker, so
# that they meet it without an edit. Python imports this file by itself.
import os
import socket

lookup = socket.getaddrinfo

def getaddrinfo(host, port, *args, **kwargs):
    if port == 5672:
        port = int(os.environ['AMQP_PORT'])
    return lookup(host, port, *args, **kwargs)

socket.getaddrinfo = getaddrinfo
