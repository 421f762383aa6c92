#!/usr/bin/env bash
# Guess: AMQP says that 0 in tune-ok is no limit of its own, so a client that answers
# RabbitMQ's tune with channel-max 0, or frame-max 0, gets what the server offered; at worst
# it is told why not, as with connection.open of a virtual host that does not exist.
# Truth: RabbitMQ takes 0 for more than it offered. It answers nothing, not even to the
# connection.open that follows, and closes the socket some seconds later. Heartbeat 0 is
# well: it means none.
# Versions: RabbitMQ 3.10.8 of Debian 12 and 4.3.6 of Debian sid.
# Source: the connections of the run below; AMQP 0-9-1, connection.tune-ok.
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
	debootstrap --variant=minbase --include=rabbitmq-server,python3 \
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
	env -i "${node[@]}" chroot "$root" python3 /ask.py "$port" || { tail "$dir/log" >&2; exit 1; }
	stop
}
port=$((20000 + RANDOM % 10000))
cat >"$dir/ask.py" <<'PY'
import re, socket, struct, sys, time

def connect():
    until = time.monotonic() + 120
    while True:
        try:
            return socket.create_connection(('127.0.0.1', int(sys.argv[1])), timeout=60)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.5)

def read(s, n):
    got = b''
    while len(got) < n:
        more = s.recv(n - len(got))
        if not more:
            raise EOFError
        got += more
    return got

def method(s):
    kind, channel, size = struct.unpack('>BHI', read(s, 7))
    payload = read(s, size + 1)
    return struct.unpack('>HH', payload[:4]), payload[4:-1]

def send(s, number, arguments):
    payload = struct.pack('>HH', *number) + arguments
    s.sendall(struct.pack('>BHI', 1, 0, len(payload)) + payload + b'\xce')

def short(text):
    return bytes([len(text)]) + text

def long(text):
    return struct.pack('>I', len(text)) + text

version = None

def outcome(**zero):
    global version
    with connect() as s:
        s.sendall(b'AMQP\x00\x00\x09\x01')
        number, start = method(s)
        assert number == (10, 10), number
        version = re.search(rb'\x07versionS....([0-9.]+)', start, re.S)[1].decode()
        send(s, (10, 11), long(b'') + short(b'PLAIN') + long(b'\0guest\0guest') + short(b'en_US'))
        number, tune = method(s)
        assert number == (10, 30), number
        channels, frame, beat = struct.unpack('>HIH', tune)
        assert channels and frame and beat, tune
        send(s, (10, 31), struct.pack('>HIH', zero.get('channels', channels), zero.get('frame', frame), zero.get('beat', beat)))
        send(s, (10, 40), short(b'/') + short(b'') + b'\0')
        began = time.monotonic()
        try:
            number, _ = method(s)
        except (EOFError, ConnectionError):
            return 'closed without a word' + (', later' if time.monotonic() - began > 1 else '')
        return {(10, 41): 'opened', (10, 50): 'told why not'}[number]

lines = [
    'what was offered: ' + outcome(),
    'heartbeat 0: ' + outcome(beat=0),
    'channel-max 0: ' + outcome(channels=0),
    'frame-max 0: ' + outcome(frame=0),
]
print('RabbitMQ', version)
print(*lines, sep='\n')
PY
on bookworm >>"$dir/got"
on sid >>"$dir/got"
got=$(cat "$dir/got")
want='RabbitMQ 3.10.8
what was offered: opened
heartbeat 0: opened
channel-max 0: closed without a word, later
frame-max 0: closed without a word, later
RabbitMQ 4.3.6
what was offered: opened
heartbeat 0: opened
channel-max 0: closed without a word, later
frame-max 0: closed without a word, later'
echo "$got"
[ "$got" = "$want" ] || { echo "CHANGED; it was: $want" >&2; exit 1; }
