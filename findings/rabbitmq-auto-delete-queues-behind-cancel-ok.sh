#!/usr/bin/env bash
# Guess: when the last consumer of an auto-delete queue has its cancel-ok, the queue is
# gone: what is published to it then is unroutable, and a publisher that did not ask for
# its return gets an ack. So it is in RabbitMQ 3.10.
# Truth: in 4.3 the queue goes a moment later. A message that is routed to it in that
# moment is nacked, more often than not if the publisher is quick, or ends the connection
# with 506; and to declare a queue of that name with other properties is refused with 406.
# To declare the queue passively first waits until it is gone.
# Versions: RabbitMQ 3.10.8 of Debian 12 and 4.3.6 of Debian sid.
# Source: the confirms of the run below.
set -euo pipefail
if [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; then
	echo "this needs root, and Debian's debootstrap" >&2
	exit 1
fi
dir=$(mktemp -d)
group=
stop() {
	[ -n "$group" ] || return 0
	kill -- "-$group" 2>/dev/null || true
	while kill -0 -- "-$group" 2>/dev/null; do sleep 0.1; done
	group=
}
finish() {
	stop
	rm -rf --one-file-system "$dir"
}
trap finish EXIT

# on starts the RabbitMQ of a release of Debian, and runs ask.py beside it.
on() {
	local root=$dir/$1 node
	debootstrap --variant=minbase --include=rabbitmq-server,python3-pika \
		"$1" "$root" http://deb.debian.org/debian >"$dir/log" 2>&1 || { tail "$dir/log" >&2; exit 1; }
	echo '127.0.0.1 localhost' >"$root/etc/hosts"
	printf 'listeners.tcp.1 = 127.0.0.1:%s\nvm_memory_calculation_strategy = allocated\ntotal_memory_available_override_value = 2GB\n' \
		"$port" >"$root/etc/rabbitmq/rabbitmq.conf"
	node=(
		PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root HOSTNAME=localhost
		ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$((port + 1))
		RABBITMQ_DIST_PORT=$((port + 2)) RABBITMQ_NODENAME=finding@localhost
	)
	set -m
	(
		env -i "${node[@]}" chroot "$root" epmd &
		exec env -i "${node[@]}" chroot "$root" /usr/lib/rabbitmq/bin/rabbitmq-server
	) >"$dir/log" 2>&1 &
	group=$!
	set +m
	cp "$dir/ask.py" "$root/ask.py"
	env -i "${node[@]}" chroot "$root" python3 -W ignore /ask.py "$port" || { tail "$dir/log" >&2; exit 1; }
	stop
}
port=$((20000 + RANDOM % 10000))
cat >"$dir/ask.py" <<'PY'
import sys, time
import pika

def connect():
    until = time.monotonic() + 120
    while True:
        try:
            return pika.BlockingConnection(pika.URLParameters(f'amqp://guest:guest@127.0.0.1:{sys.argv[1]}/'))
        except pika.exceptions.AMQPConnectionError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)

connection = connect()
print('RabbitMQ', connection._impl.server_properties['version'])

def outcomes(ask, rounds=60):
    well = 0
    for i in range(rounds):
        with connect() as connection:
            consumer, other, publisher = (connection.channel() for _ in range(3))
            publisher.confirm_delivery()
            queue = f'finding.{ask.__name__}.{i}'
            consumer.queue_declare(queue, auto_delete=True)
            consumer.basic_cancel(consumer.basic_consume(queue, lambda *args: None))
            try:
                ask(publisher, other, queue)
                well += 1
            except (pika.exceptions.NackError, pika.exceptions.AMQPError):
                pass
    return 'always well' if well == rounds else 'refused at times'

def publish(publisher, other, queue):
    publisher.basic_publish('', queue, b'x')

def declare(publisher, other, queue):
    other.queue_declare(queue, durable=True)
    other.queue_delete(queue)

def wait_and_publish(publisher, other, queue):
    try:
        other.queue_declare(queue, passive=True)
    except pika.exceptions.ChannelClosedByBroker as e:
        assert e.reply_code == 404, e
    publisher.basic_publish('', queue, b'x')

for ask in (publish, declare, wait_and_publish):
    print(f'{ask.__name__}:', outcomes(ask))
PY
on bookworm >>"$dir/got"
on sid >>"$dir/got"
got=$(cat "$dir/got")
want='RabbitMQ 3.10.8
publish: always well
declare: always well
wait_and_publish: always well
RabbitMQ 4.3.6
publish: refused at times
declare: refused at times
wait_and_publish: always well'
echo "$got"
[ "$got" = "$want" ] || { echo "CHANGED; it was: $want" >&2; exit 1; }
