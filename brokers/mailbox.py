"""What has come back from a broker and waits to be taken: one box per (receiver, topic), matched in order."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice


class Box:
    """The payloads that came to one receiver on one topic, oldest first."""

    __slots__ = ("queue", "session", "unwanted")

    def __init__(self, session: bool = False) -> None:
        self.queue: deque[bytes] = deque()
        self.unwanted: Counter[bytes] | None = None
        self.session = session

    def put(self, payload: bytes) -> None:
        """Takes in one payload, unless a `discard` has been waiting for it."""
        if self.unwanted and self.unwanted[payload]:
            self._settle(payload)
        else:
            self.queue.append(payload)

    def take(self, expected: bytes, start: int = 0) -> bytes | None:
        """The first payload from position `start` on that equals `expected`, removed from the box."""
        queue = self.queue
        if not start and queue and queue[0] == expected:
            return queue.popleft()
        for position, payload in enumerate(islice(queue, start, None), start):
            if payload == expected:
                del queue[position]
                return payload
        return None

    def discard(self, payload: bytes) -> None:
        """Removes one equal payload, or remembers to drop it when it comes."""
        if self.take(payload) is None:
            if self.unwanted is None:
                self.unwanted = Counter()
            self.unwanted[payload] += 1

    def recall(self, payload: bytes) -> bool:
        """Takes back a `discard` whose payload has not come; False where there is none."""
        waiting = bool(self.unwanted and self.unwanted[payload])
        if waiting:
            self._settle(payload)
        return waiting

    def _settle(self, payload: bytes) -> None:
        assert self.unwanted is not None
        self.unwanted[payload] -= 1
        if not self.unwanted[payload]:
            del self.unwanted[payload]


class Mail:
    """Every receiver's boxes.

    Args:
        receivers: how many there are.
        session_topics: topics of births and wills, whose payloads nobody has to ask for.

    Attributes:
        boxes: of every receiver, by topic.
    """

    def __init__(self, receivers: int, session_topics: frozenset[str]) -> None:
        self._session_topics = session_topics
        self.boxes: list[dict[str, Box]] = [{} for _ in range(receivers)]

    def box(self, receiver: int, topic: str) -> Box:
        """The box of a receiver and a topic, made on first use."""
        boxes = self.boxes[receiver]
        box = boxes.get(topic)
        if box is None:
            box = boxes[topic] = Box(session=topic in self._session_topics)
        return box

    def owed(self) -> int:
        """How many discarded payloads have not come yet."""
        return sum(box.unwanted.total() for boxes in self.boxes for box in boxes.values() if box.unwanted)

    def unclaimed_payloads(self) -> Iterator[tuple[int, str, bytes]]:
        """(receiver, topic, payload) of what came and nobody took or discarded, births and wills left out."""
        for receiver, boxes in enumerate(self.boxes):
            for topic, box in boxes.items():
                if not box.session:
                    yield from ((receiver, topic, payload) for payload in box.queue)

    def empty(self) -> list[tuple[int, str, bytes]]:
        """The same, removed from the boxes; the order holds within a topic."""
        found = list(self.unclaimed_payloads())
        for boxes in self.boxes:
            for box in boxes.values():
                if not box.session:
                    box.queue.clear()
        return found

    def unclaimed(self) -> int:
        """How many payloads came that nobody took or discarded, births and wills left out."""
        return sum(len(box.queue) for boxes in self.boxes for box in boxes.values() if not box.session)
