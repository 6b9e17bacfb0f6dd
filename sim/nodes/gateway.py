"""The gateway: aggregates scores and exits locally, or asks for features and sends them (or its edge section's) up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sim.clock import Call
from sim.ledger.samples import ASKED, FORWARDED
from sim.nodes.node import Node
from sim.policies.base import Heard, Selection, SelectPolicy
from sim.wire import (
    ABSENT,
    BITS,
    EXIT,
    FEATURES,
    RAW,
    REQUEST,
    SCORES,
    UINT16,
    Frame,
    encode_nodes,
)


class Session:
    """One sample on its way through a gateway."""

    __slots__ = ("answered", "asked", "deadline", "forwarded", "held", "inputs", "raw", "sample", "work")

    def __init__(self, sample: int) -> None:
        self.sample = sample
        self.answered: set[int] = set()
        self.inputs: dict[int, bytes] = {}
        self.raw: dict[int, bytes] = {}
        self.held: list[Frame] = []
        self.asked: frozenset[int] | None = None
        self.forwarded = False
        self.deadline: Call | None = None
        self.work: Call | None = None

    def add(self, message: Frame) -> None:
        """Takes what one camera sent; scores and features of a camera that sees nothing are masked."""
        self.answered.add(message.node)
        if message.kind == RAW:
            self.raw[message.node] = message.payload
        elif not message.flags & ABSENT:
            self.inputs[message.node] = message.payload


class Gateway(Node):
    """One gateway; `cameras` are the indices of the cameras below it, `has_edge` tells of an edge section.

    It waits `wait_s` for the others after the first message of a sample.

    Where a split policy lets some cameras send scores and others more of the same sample (`mixed`), what came unasked
    is held until the local exit has judged the scores; then it goes up, beside the features that are asked for.

    Attributes:
        judged: samples that came to the local exit.
        left: samples that left there.
    """

    __slots__ = ("_closed", "_has_edge", "_mixed", "_select", "_sessions", "cameras", "judged", "left", "wait_s")

    def __init__(
        self,
        *args: Any,
        cameras: tuple[int, ...],
        has_edge: bool,
        wait_s: float,
        mixed: bool = False,
        select: SelectPolicy | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._mixed = mixed
        self._select = select
        self.cameras = frozenset(cameras)
        self._has_edge = has_edge
        self.wait_s = wait_s
        self._sessions: dict[int, Session] = {}
        self._closed: set[int] = set()
        self.judged = self.left = 0

    @property
    def relays(self) -> bool:
        """Whether it asks all cameras for features, if any, and sends what comes on as it is."""
        return not (self._has_edge or self._mixed or self._select is not None)

    def is_idle(self) -> bool:
        """Whether it works on no sample, and waits for none."""
        return not self._sessions

    def forget(self) -> None:
        """Loses every sample that is being worked on (a crash)."""
        for session in list(self._sessions.values()):
            self._close(session)

    def speaks_for(self, message: Frame) -> bool:
        """A gateway without an edge section relays for its cameras."""
        if message.kind in (FEATURES, RAW) and not self._has_edge:
            return message.node in self.cameras
        return message.node == self.index

    def author(self, kind: int, origin: int) -> tuple[str, int]:
        """What a gateway without an edge section relays comes from its cameras."""
        return "camera" if kind in (FEATURES, RAW) and not self._has_edge else self.role, origin

    def receive(self, message: Frame, src: Node) -> None:
        """Dispatches by kind; what comes after its sample was closed is late and ignored."""
        kind, sample = message.kind, message.sample
        if kind == EXIT:
            self._on_exit(message, src)
        elif sample not in self._closed:
            if kind == SCORES:
                session = self._sessions.get(sample) or self._open(sample, self._aggregate)
                if session.asked is None and session.work is None:
                    session.add(message)
                    if len(session.answered) == len(self.cameras):
                        self._aggregate(session)
            elif kind in (FEATURES, RAW):
                if self._mixed:
                    self._on_unasked(message)
                elif self._has_edge:
                    self._collect(message)
                else:
                    self._relay(message)

    def _on_unasked(self, message: Frame) -> None:
        """Features or a raw image, if not asked for then before the other cameras were heard: these come first."""
        session = self._sessions.get(message.sample) or self._open(message.sample, self._aggregate)
        if session.asked is not None:
            session.asked |= {message.node}
            self._take(message)
            return
        session.answered.add(message.node)
        session.held.append(message)
        if session.work is None and len(session.answered) == len(self.cameras):
            self._aggregate(session)

    def _take(self, message: Frame) -> None:
        if self._has_edge:
            self._collect(message)
        else:
            self._relay(message)

    def _aggregate(self, session: Session) -> None:
        if _scored(session):
            self._compute(session, self.services.flops["local"], self._judge)
        else:
            self._send_up(session)

    def _judge(self, session: Session) -> None:
        """The local exit: leave, or ask for features."""
        services = self.services
        verdict = self.network(self.site, session.sample).local(self.index, session.inputs)
        self.judged += 1
        if verdict.entropy < services.thresholds["local"]:
            self.left += 1
            self.decide(self.site, session.sample, "local", verdict.predicted, verdict.entropy, len(session.inputs))
            self._close(session)
        else:
            self._send_up(session)

    def _send_up(self, session: Session) -> None:
        """Asks for features; what had come unasked goes its way."""
        services = self.services
        asked = self._chosen(session)
        session.asked = frozenset(asked).union(message.node for message in session.held)
        session.answered = set()
        session.inputs = {}
        services.book.reach(self.site, session.sample, ASKED)
        if asked:
            services.fabric.publish(
                self.port(REQUEST), session.sample, encode_nodes(asked), dtype=UINT16, origin=self.index, to=asked
            )
        self._await(session, self._edge if self._has_edge else self._close)
        held, session.held = session.held, []
        for message in held:
            self._take(message)

    def _chosen(self, session: Session) -> list[int]:
        """The cameras to ask: all whose scores came, unless a policy picks some of them."""
        scored = sorted(_scored(session))
        if self._select is None or not scored:
            return scored
        inference, inputs = self.services.inference, session.inputs
        heard = [
            Heard(camera, camera not in inputs, inference.verdict(inputs[camera]).entropy if camera in inputs else 1.0)
            for camera in scored
        ]
        chosen = set(self._select.choose(Selection(session.sample, tuple(heard))))
        if not chosen and not session.held:
            return scored
        return [camera for camera in scored if camera in chosen]

    def _relay(self, message: Frame) -> None:
        """Without an edge section features and raw images go up as they come."""
        kind, dtype, flags, camera, _, sample, _, payload = message
        session = self._sessions.get(sample) or self._open(sample, self._close)
        due = self.cameras if session.asked is None else session.asked
        answered, services = session.answered, self.services
        answered.add(camera)
        if not session.forwarded:
            session.forwarded = True
            services.book.reach(self.site, sample, FORWARDED)
        services.fabric.publish(
            self.ports[kind, self.site], sample, payload, dtype=dtype, origin=camera, flags=flags, expected=len(due)
        )
        if answered >= due:
            self._close(session)

    def _collect(self, message: Frame) -> None:
        session = self._sessions.get(message.sample) or self._open(message.sample, self._edge)
        if session.work is not None:
            return
        session.add(message)
        if session.answered >= (self.cameras if session.asked is None else session.asked):
            self._edge(session)

    def _edge(self, session: Session) -> None:
        flops = self.services.flops
        self._compute(session, flops["edge"] + len(session.raw) * flops["device"], self._judge_edge)

    def _judge_edge(self, session: Session) -> None:
        """The edge exit: leave, or send the edge section's own features up."""
        services = self.services
        for camera, raw in session.raw.items():
            output = services.inference.from_raw(raw, camera)
            if not output.absent:
                session.inputs[camera] = output.features
        used = len(session.inputs)
        verdict, features = self.network(self.site, session.sample).edge(self.index, session.inputs)
        if verdict.entropy < services.thresholds.get("edge", 0.0):
            self.decide(self.site, session.sample, "edge", verdict.predicted, verdict.entropy, used)
        else:
            services.book.reach(self.site, session.sample, FORWARDED)
            services.fabric.publish(
                self.port(FEATURES),
                session.sample,
                features,
                dtype=BITS,
                origin=self.index,
                flags=0 if used else ABSENT,
                expected=used,
            )
        self._close(session)

    def _on_exit(self, message: Frame, src: Node) -> None:
        """A camera below decided: tell the cloud. The cloud decided: nothing is left to do."""
        session = self._sessions.get(message.sample)
        if session is not None:
            self._close(session)
        if src.role == "camera" and message.sample not in self._closed:
            self._closed.add(message.sample)
            self.services.fabric.publish(
                self.port(EXIT), message.sample, message.payload, dtype=message.dtype, origin=self.index
            )

    def _open(self, sample: int, on_deadline: Callable[[Session], None]) -> Session:
        session = self._sessions[sample] = Session(sample)
        self._await(session, on_deadline)
        return session

    def _await(self, session: Session, on_deadline: Callable[[Session], None]) -> None:
        if session.deadline is not None:
            session.deadline.cancel()
        clock = self.services.clock
        session.deadline = clock.at(clock.now + self.wait_s, on_deadline, session)

    def _compute(self, session: Session, flops: float, then: Callable[[Session], None]) -> None:
        """Queues work at the processor; the deadline no longer matters once it has begun."""
        if session.deadline is not None:
            session.deadline.cancel()
            session.deadline = None
        clock = self.services.clock
        done_s = self.reserve(clock.now, flops)
        session.work = clock.at(done_s, self._finish, (session, then))

    def _finish(self, work: tuple[Session, Callable[[Session], None]]) -> None:
        session, then = work
        session.work = None
        then(session)

    def _close(self, session: Session) -> None:
        for event in (session.deadline, session.work):
            if event is not None:
                event.cancel()
        self._sessions.pop(session.sample, None)
        self._closed.add(session.sample)


def _scored(session: Session) -> set[int]:
    """The cameras whose scores have come, before anybody was asked."""
    if not session.held:
        return session.answered
    return session.answered.difference(message.node for message in session.held)
