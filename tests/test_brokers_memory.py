"""The in-memory carrier and the mailbox behind every carrier."""

from __future__ import annotations

from collections import Counter

import pytest
from brokers_kit import burst, fleet, inbox
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.api import BrokerError, Identity
from brokers.mailbox import Box
from brokers.memory import MemoryCarrier


def test_a_message_reaches_every_subscriber_and_nobody_else() -> None:
    carrier = MemoryCarrier()
    carrier.connect(
        [
            Identity("a", "s/a", b"off", ("x/1",)),
            Identity("b", "s/b", b"off", ("x/+",)),
            Identity("c", "s/c", b"off", ("y/#",)),
        ]
    )
    carrier.publish(2, "x/1", b"hello", 1)
    assert carrier.take(0, "x/1", b"hello", 0) == b"hello"
    assert carrier.take(1, "x/1", b"hello", 0) == b"hello"
    assert carrier.take(2, "x/1", b"hello", 0) is None
    assert carrier.take(0, "x/1", b"hello", 0) is None
    assert carrier.leftovers(0) == 0


def test_discarded_payloads_are_dropped_before_and_after_they_come() -> None:
    identities = fleet(2)
    carrier, topic = MemoryCarrier(), inbox(identities[1])
    carrier.connect(identities)
    carrier.discard(1, topic, b"later")
    carrier.publish(0, topic, b"later", 0)
    carrier.publish(0, topic, b"now", 0)
    carrier.publish(0, topic, b"unasked", 0)
    carrier.discard(1, topic, b"now")
    assert carrier.take(1, topic, b"later", 0) is None
    assert carrier.take(1, topic, b"now", 0) is None
    assert carrier.leftovers(0) == 1


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_bursts_come_in_order(qos: int) -> None:
    identities = fleet(2)
    carrier = MemoryCarrier()
    carrier.connect(identities)
    burst(carrier, 0, 1, inbox(identities[1]), qos, 500)


@pytest.mark.parametrize("topic", ["", "a/+", "a/#", "x" * 65536])
def test_a_topic_that_cannot_be_published_on_is_refused(topic: str) -> None:
    carrier = MemoryCarrier()
    carrier.connect(fleet(1))
    with pytest.raises(BrokerError, match="not a topic to publish on"):
        carrier.publish(0, topic, b"", 0)


def test_errors_survive_being_made_again_from_their_arguments() -> None:
    error = BrokerError("no broker: install one")
    assert str(type(error)(*error.args)) == str(error)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ptd"), st.binary(min_size=0, max_size=1)), max_size=60))
def test_a_box_loses_and_invents_nothing(steps: list[tuple[str, bytes]]) -> None:
    """Whatever the order of putting, taking and discarding: put = taken + dropped + still there."""
    box, put, gone, owed = Box(), Counter[bytes](), Counter[bytes](), Counter[bytes]()
    for step, payload in steps:
        if step == "p":
            put[payload] += 1
            box.put(payload)
        elif step == "t":
            taken = box.take(payload)
            assert taken in (None, payload)
            gone[payload] += taken is not None
        else:
            owed[payload] += 1
            box.discard(payload)
    waiting = Counter(box.unwanted or {})
    assert put == gone + (owed - waiting) + Counter(box.queue)
    assert not (waiting & Counter(box.queue)), "a payload is there that a discard waits for"


@settings(deadline=None)
@given(st.lists(st.binary(max_size=2), max_size=30), st.integers(0, 29))
def test_a_box_gives_the_first_equal_payload_and_keeps_the_order(payloads: list[bytes], pick: int) -> None:
    box = Box()
    for payload in payloads:
        box.put(payload)
    if pick < len(payloads):
        assert box.take(payloads[pick]) == payloads[pick]
        payloads.remove(payloads[pick])
    assert list(box.queue) == payloads
