#!/usr/bin/env bash
# Guess: basic.qos(prefetch_count=2) sets the limit of consumers to come, and leaves those
# alone that run: a consumer that began under basic.qos(prefetch_count=3, global=true) is
# held back as before.
# Truth: in RabbitMQ 3.10 it ends the limit of the channel, and the consumer that began
# under that has none of its own: it is sent all there is at once. In 4.3 it is held back
# as before, but because 4.3 takes a global prefetch for one of each consumer to come: two
# consumers that share 3 in 3.10 have 3 each in 4.3, and those that run have none.
# Versions: RabbitMQ 3.10.8 of Debian 12 and 4.3.6 of Debian sid.
# Source: the deliveries counted in the run below. RabbitMQ's page on consumer prefetch says
# that the two limits hold beside each other, which in 3.10 is so if the global one is last.
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

def held(*steps):
    channel = connection.channel()
    queues = []
    for step in steps:
        if step != 'consumer':
            channel.basic_qos(prefetch_count=step[1], global_qos=step[0] == 'global')
            continue
        queue = channel.queue_declare('', exclusive=True).method.queue
        for _ in range(8):
            channel.basic_publish('', queue, b'x')
        channel.basic_consume(queue, lambda *args: None)
        queues.append(queue)
    connection.process_data_events(1)
    return [8 - channel.queue_declare(queue, passive=True).method.message_count for queue in queues]

print('global 3, consumer, consumer:', held(('global', 3), 'consumer', 'consumer'))
print('global 3, consumer, own 2, consumer:', held(('global', 3), 'consumer', ('own', 2), 'consumer'))
print('own 2, consumer, global 3, consumer:', held(('own', 2), 'consumer', ('global', 3), 'consumer'))
print('consumer, global 3, consumer:', held('consumer', ('global', 3), 'consumer'))
PY
on bookworm >>"$dir/got"
on sid >>"$dir/got"
got=$(cat "$dir/got")
want='RabbitMQ 3.10.8
global 3, consumer, consumer: [3, 0]
global 3, consumer, own 2, consumer: [8, 2]
own 2, consumer, global 3, consumer: [2, 1]
consumer, global 3, consumer: [8, 0]
RabbitMQ 4.3.6
global 3, consumer, consumer: [3, 3]
global 3, consumer, own 2, consumer: [3, 2]
own 2, consumer, global 3, consumer: [2, 3]
consumer, global 3, consumer: [8, 3]'
echo "$got"
[ "$got" = "$want" ] || { echo "CHANGED; it was: $want" >&2; exit 1; }
