"""Writes what a real Celery sends: PYTHONHASHSEED=0 python3 capture.py DIRECTORY.

Each file is one call: the messages it put into the broker, in order, with their
headers, properties and body, or the JSON of a signature. Ids, host and time are
made the same every time. The files of Celery 5.6.3 go into DIRECTORY/5.6.
"""

import datetime
import decimal
import json
import os
import random
import socket
import sys
import uuid

socket.gethostname = lambda: "celery.example"
os.getpid = lambda: 7

import celery
import celery.app.base
import kombu.utils.json
from celery import Celery, chain, chord, group, signature

numbers = random.Random(2)
kombu.utils.uuid.__defaults__ = (
    lambda: uuid.UUID(int=numbers.getrandbits(128), version=4),
)
celery.app.base.oid_from = lambda *args, **kwargs: "11111111-2222-3333-4444-555555555555"

app = Celery("tasks", broker="memory://", backend="cache+memory://")
app.conf.task_default_queue = "celery"


@app.task
def add(x, y):
    return x + y


@app.task
def mul(x, y):
    return x * y


@app.task
def xsum(numbers):
    return sum(numbers)


@app.task
def broken_task():
    raise Exception("failed")


@app.task(bind=True)
def on_task_error(self, task_id, task_name):
    pass


@app.task
def print_task(x):
    pass


@app.task
def on_task_success(result, task_name):
    pass


UTC = datetime.timezone.utc
ETA = datetime.datetime(2030, 1, 2, 3, 4, 5, 120000, tzinfo=UTC)
ZONE = datetime.timezone(datetime.timedelta(hours=3))

CALLS = {
    "delay": lambda: add.delay(1, 1),
    "kwargs": lambda: add.apply_async((1,), {"y": 2}),
    "text": lambda: print_task.delay("<a> & \u00e9 \U0001f600 \u2028"),
    "numbers": lambda: add.delay(1.0, 2**70),
    "eta": lambda: add.apply_async((1, 1), eta=ETA),
    "eta_zone": lambda: add.apply_async((1, 1), eta=ETA.astimezone(ZONE)),
    "eta_whole_second": lambda: add.apply_async((1, 1), eta=ETA.replace(microsecond=0)),
    "expires": lambda: add.apply_async((1, 1), expires=ETA),
    "limits": lambda: add.apply_async((1, 1), soft_time_limit=5, time_limit=10),
    "limits_of_fractions": lambda: add.apply_async((1, 1), soft_time_limit=0.5, time_limit=10.0),
    "retries": lambda: add.apply_async((1, 1), retries=2),
    "queue": lambda: add.apply_async((1, 1), queue="io"),
    "priority": lambda: add.apply_async((1, 1), priority=7),
    "headers": lambda: add.apply_async((1, 1), headers={"trace": "a", "depth": 3, "more": {"x": [None, 1.5]}}),
    "ignore_result": lambda: add.apply_async((1, 1), ignore_result=True),
    "shadow": lambda: add.apply_async((1, 1), shadow="plus"),
    "reply_to": lambda: add.apply_async((1, 1), reply_to="answers", task_id="an-id"),
    "link": lambda: print_task.apply_async(("something",), link=on_task_success.s("print_task")),
    "links": lambda: add.apply_async((1, 1), link=[mul.s(2), mul.si(3, 4).set(queue="io", priority=3)]),
    "link_error": lambda: broken_task.apply_async(link_error=on_task_error.s("broken_task")),
    "link_errors": lambda: broken_task.apply_async(
        link_error=[on_task_error.s("a").set(countdown=1.5), on_task_error.s("b")]
    ),
    "link_of_chain": lambda: add.apply_async((1, 1), link=chain(mul.s(2), mul.s(3))),
    "link_of_group": lambda: add.apply_async((1, 1), link=group(mul.s(2), mul.s(3))),
    "link_of_chord": lambda: add.apply_async((1, 1), link=chord([mul.s(2), mul.s(3)], xsum.s())),
    "chain": lambda: chain(add.s(4, 4), mul.s(8), add.s(1))(),
    "chain_options": lambda: chain(
        add.s(4, 4),
        mul.s(8).set(queue="io", priority=0, soft_time_limit=1, time_limit=2.5, expires=60),
        add.s(1).set(countdown=10, ignore_result=True, headers={"trace": "a", "depth": 3}, shadow=None),
        add.s(2).set(eta=ETA, expires=ETA, routing_key="far", retry_policy={"max_retries": 3, "interval_start": 0}),
    )(),
    "chain_immutable": lambda: (add.s(2, 2) | mul.si(3, 3))(),
    "chain_link_error": lambda: chain(add.s(4, 4), mul.s(8)).apply_async(
        link=mul.s(2), link_error=on_task_error.s("chain")
    ),
    "chain_into_group": lambda: (add.s(1, 1) | group(add.s(1), add.s(2)))(),
    "chain_of_groups": lambda: (group(add.s(1, 1), add.s(2, 2)) | group(xsum.s(), xsum.s()))(),
    "chain_into_chord": lambda: (add.s(1, 1) | group(add.s(1), add.s(2)) | xsum.s() | mul.s(10))(),
    "group": lambda: group(add.s(i, i) for i in range(3))(),
    "group_of_groups": lambda: group(group(add.s(1, 1), add.s(2, 2)), add.s(3, 3))(),
    "group_of_chains": lambda: group(add.s(1, 1) | mul.s(3), add.s(1, 2))(),
    "chord": lambda: chord(group(add.s(i, i) for i in range(3)), xsum.s())(),
    "chord_link_error": lambda: chord(
        [add.s(1, 1), add.s(2, 2)], xsum.s().on_error(on_task_error.s("body"))
    )(),
    "chord_in_group": lambda: group(chord([add.s(1, 1), add.s(2, 2)], xsum.s()), add.s(3, 4))(),
    "chord_in_chord": lambda: chord(
        [chord([add.s(1, 1), add.s(2, 2)], xsum.s()), add.s(3, 4)], xsum.s()
    )(),
    "map": lambda: xsum.map([[1, 2], [3]]).delay(),
    "starmap": lambda: mul.starmap([(1, 2), (3, 4)]).delay(),
    "chunks": lambda: mul.chunks(zip(range(5), range(5)), 2)(),
}

# What there is since Celery 5.3: stamps, and values of JSON that say their type.
CALLS_SINCE_5_3 = {
    "values": lambda: print_task.delay(
        {
            "at": ETA,
            "bytes": b"\x00\xff",
            "day": ETA.date(),
            "id": uuid.UUID(int=5),
            "price": decimal.Decimal("1.50"),
        }
    ),
    "replaced": lambda: add.apply_async((1, 1), replaced_task_nesting=2),
    "stamped": lambda: stamped(add.s(1, 1)).apply_async(),
    "stamped_link": lambda: stamped(add.s(1, 1).set(link=mul.s(2), link_error=on_task_error.s("a"))).apply_async(),
    "stamped_chain": lambda: stamped(chain(add.s(4, 4), mul.s(8), add.s(1))).apply_async(),
    "stamped_group": lambda: stamped(group(add.s(1, 1), mul.s(2, 2))).apply_async(),
    "stamped_chord": lambda: stamped(chord([add.s(1, 1), mul.s(2, 2)], xsum.s())).apply_async(),
}

SIGNATURES = {
    "task": lambda: add.s(1, 2),
    "partial": lambda: add.s(2, y=3),
    "immutable": lambda: add.si(1, 2),
    "options": lambda: add.s(1).set(queue="io", countdown=10.0, expires=None, link=[], priority=None, task_id=None),
    "links": lambda: add.s(1, 2).on_error(on_task_error.s("a")).set(link=mul.s(2)),
    "frozen": lambda: frozen(add.s(1, 2)),
    "chain": lambda: chain(add.s(4, 4), mul.s(8)),
    "chain_frozen": lambda: frozen(chain(add.s(4, 4), mul.s(8))),
    "group": lambda: group(add.s(1, 1), mul.s(2, 2)),
    "group_empty": lambda: group(),
    "group_frozen": lambda: frozen(group(add.s(1, 1), mul.s(2, 2))),
    "chord": lambda: chord([add.s(1, 1), mul.s(2, 2)], xsum.s()),
    "chord_of_group": lambda: chord(group(add.s(1, 1), mul.s(2, 2)).set(queue="io"), xsum.s()),
    "chord_kwargs": lambda: chord([add.s(1, 1)], xsum.s(), x=1, queue="io"),
    "chord_frozen": lambda: frozen(chord([add.s(1, 1), mul.s(2, 2)], xsum.s())),
    "nested": lambda: chain(
        add.s(1, 1), group(chord([add.s(1)], xsum.s()), chain(mul.s(2), mul.si(3, 3))), xsum.s()
    ),
    "map": lambda: xsum.map([[1, 2], [3]]),
    "starmap": lambda: mul.starmap([(1, 2), (3, 4)]),
    "chunks": lambda: mul.chunks([(1, 2), (3, 4), (5, 6)], 2),
}

SIGNATURES_SINCE_5_3 = {
    "values": lambda: print_task.s(ETA, by=decimal.Decimal("1.50")).set(eta=ETA, expires=ETA),
    "stamped": lambda: stamped(add.s(1, 2)),
    "stamped_nested": lambda: stamped(
        chain(add.s(1, 1), group(chord([add.s(1)], xsum.s()), chain(mul.s(2), mul.si(3, 3))), xsum.s())
    ),
}

if celery.VERSION >= (5, 3):
    from celery.canvas import StampingVisitor

    CALLS.update(CALLS_SINCE_5_3)
    SIGNATURES.update(SIGNATURES_SINCE_5_3)

    class Monitor(StampingVisitor):
        """Stamps every task with two monitors."""

        def on_signature(self, sig, **headers):
            return {"monitor": ["a", "b"], "stamped_headers": ["monitor"]}


def stamped(sig):
    sig.stamp(Monitor(), of="c")
    return sig


def frozen(sig):
    sig.freeze()
    return sig


def sent(call):
    """The messages of a call, as they lie in the broker."""
    with app.connection_for_write() as connection:
        channel = connection.default_channel
        for name in ("celery", "io"):
            app.amqp.queues[name](channel).declare()
            app.amqp.queues[name](channel).purge()
        call()
        for name in ("celery", "io"):
            queue = app.amqp.queues[name](channel)
            while True:
                message = queue.get(no_ack=True, accept=["json"])
                if message is None:
                    break
                properties = {
                    k: v
                    for k, v in message.properties.items()
                    if k not in ("delivery_info", "delivery_tag", "body_encoding", "expiration") and v is not None
                }
                properties["content_type"] = message.content_type
                properties["content_encoding"] = message.content_encoding
                body = message.body
                yield {
                    "queue": name,
                    "properties": properties,
                    "headers": message.headers,
                    "body": body if isinstance(body, str) else body.decode(),
                }


def write(directory, name, value):
    value = {"celery": celery.__version__, "call": name, **value}
    with open(os.path.join(directory, name + ".json"), "w") as f:
        json.dump(value, f, indent=1, sort_keys=True)
        f.write("\n")


def main(directory):
    directory = os.path.join(directory, "%s.%s" % celery.VERSION[:2])
    for kind in ("messages", "signatures"):
        os.makedirs(os.path.join(directory, kind), exist_ok=True)
    for name, call in CALLS.items():
        write(os.path.join(directory, "messages"), name, {"messages": list(sent(call))})
    for name, make in SIGNATURES.items():
        text = kombu.utils.json.dumps(make())
        write(os.path.join(directory, "signatures"), name, {"signature": text})


if __name__ == "__main__":
    main(sys.argv[1])
