"""The cloud: aggregates the features of one site's sample, classifies, and announces its exit."""

from __future__ import annotations

from typing import Any

from sim.clock import Call
from sim.ledger.samples import AT_CLOUD
from sim.nodes.node import Node
from sim.wire import ABSENT, EXIT, FEATURES, RAW, Frame


class Session:
    """One sample of one site at the cloud: how many messages each node below promised, and how many came."""

    __slots__ = ("came", "deadline", "devices", "inputs", "opened_s", "promised", "raw", "sample", "site", "working")

    def __init__(self, site: int, sample: int, opened_s: float) -> None:
        self.site = site
        self.sample = sample
        self.opened_s = opened_s
        self.inputs: dict[int, bytes] = {}
        self.raw: dict[int, bytes] = {}
        self.came: dict[int, int] = {}
        self.promised: dict[int, int] = {}
        self.devices = 0
        self.deadline: Call | None = None
        self.working = False


class Cloud(Node):
    """The one cloud. `children` is the number of nodes of a site that send to it.

    Attributes:
        wait_s: how long it waits for the rest of a sample after its first message.
    """

    __slots__ = ("_children", "_closed", "_has_edge", "_sessions", "wait_s")

    def __init__(self, *args: Any, children: int, has_edge: bool, wait_s: float, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._children = children
        self._has_edge = has_edge
        self.wait_s = wait_s
        self._sessions: dict[tuple[int, int], Session] = {}
        self._closed: set[tuple[int, int]] = set()

    def forget(self) -> None:
        """Loses every sample that is being worked on (a crash)."""
        for session in list(self._sessions.values()):
            self._close(session)

    def receive(self, message: Frame, src: Node) -> None:
        """Features or raw images count towards a sample; an exit further down closes it."""
        key = (src.site, message.sample)
        if key in self._closed:
            return
        if message.kind == EXIT:
            session = self._sessions.get(key)
            if session is None:
                self._closed.add(key)
            else:
                self._close(session)
        elif message.kind in (FEATURES, RAW):
            self._add(key, message, src)

    def _add(self, key: tuple[int, int], message: Frame, src: Node) -> None:
        session = self._sessions.get(key)
        if session is None:
            clock = self.services.clock
            session = self._sessions[key] = Session(*key, clock.now)
            self.services.book.reach(*key, AT_CLOUD)
            session.deadline = clock.at(clock.now + self.wait_s, self._give_up, session)
        if session.working:
            return
        edge = self._has_edge and src.role == "gateway"
        count = 1 if edge else message.expected or 1
        client, came, promised = src.client, session.came, session.promised
        came[client] = heard = came.get(client, 0) + 1
        if count > promised.get(client, 0):
            promised[client] = count
        if message.kind == RAW:
            session.raw[message.node] = message.payload
        elif not message.flags & ABSENT:
            session.inputs[message.node] = message.payload
            session.devices += message.expected if edge else 1
        if heard >= promised[client] and self._is_complete(session):
            self._classify(session)

    def _is_complete(self, session: Session) -> bool:
        came, promised = session.came, session.promised
        return len(came) == self._children and all(came[client] >= promised[client] for client in came)

    def _give_up(self, session: Session) -> None:
        """The deadline has passed."""
        self._classify(session)

    def _classify(self, session: Session) -> None:
        """All is there, or nobody waits for it any more: run the cloud section on what came."""
        if session.deadline is not None:
            session.deadline.cancel()
        services = self.services
        session.working = True
        flops = services.flops["cloud"] + len(session.raw) * services.flops["device"]
        self._work(session, flops)

    def _work(self, session: Session, flops: float) -> None:
        clock = self.services.clock
        clock.at(self.reserve(clock.now, flops), self._judge, session)

    def _is_over(self, session: Session) -> bool:
        """Whether the sample has been decided elsewhere, or forgotten, before its verdict is here."""
        return (session.site, session.sample) in self._closed

    def _judge(self, session: Session) -> None:
        if self._is_over(session):
            return
        inference = self.services.inference
        for camera, raw in session.raw.items():
            output = inference.from_raw(raw, camera)
            if not output.absent:
                session.inputs[camera] = output.features
                session.devices += 1
        verdict = self.network(session.site, session.sample).cloud(session.inputs)
        self._close(session)
        self.decide(session.site, session.sample, "cloud", verdict.predicted, verdict.entropy, session.devices)

    def _close(self, session: Session) -> None:
        if session.deadline is not None:
            session.deadline.cancel()
        self._sessions.pop((session.site, session.sample), None)
        self._closed.add((session.site, session.sample))
