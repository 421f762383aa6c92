// Has programs that connect to AMQP's own port connect to that of a test's broker, so
// that they meet it without an edit.
const net = require('net');

const connect = net.connect;

net.connect = (options, ...rest) =>
  connect(options.port == 5672 ? {...options, port: Number(process.env.AMQP_PORT)} : options, ...rest);
