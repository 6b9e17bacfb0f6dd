"""A sample that nothing disturbs, from the cameras of a site to its gateway's uplink in one go.

Below the gateway nothing happens between two captures but one sample taking its course: scores, the local exit,
requests, features. If that is over well before the next capture and no message of it is lost, every time in it is
plain arithmetic on the delays of its messages, and only what goes up to the cloud needs an event. The same rows come
into the ledger and the same messages to the cloud, at the same times to the bit. Whatever may be otherwise (a lost
message, or one that is still under way from the sample before) takes the usual way, event by event.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from heapq import heappush
from itertools import chain, groupby
from operator import attrgetter
from typing import Final, NamedTuple

from sim.ledger.messages import MessageLog
from sim.ledger.samples import ASKED, FORWARDED
from sim.link import Link
from sim.nodes.camera import Camera
from sim.nodes.gateway import Gateway
from sim.nodes.lanes import Lane
from sim.nodes.shortcut import Shortcut
from sim.wire import ABSENT, BITS, FEATURES, HEADER_BYTES, REQUEST, SCORES, encode_nodes

SPARE: Final = 0.9
"""A sample must be over within this part of the time between two captures."""
KEPT: Final = 2
"""Samples whose delays are at hand."""
REMEMBERED: Final = 20_000
"""Pictures whose verdicts are at hand."""

Row = tuple[float, ...]
Delayed = tuple[Row, Row, Row]
"""Seconds from the last bit sent to the arrival of scores, requests and features, by camera; below 0: one is lost."""
Content = tuple[bytes, int]
"""Payload and flags."""


class View(NamedTuple):
    """What comes of one picture if all its messages come.

    Attributes:
        used: cameras that see it.
        features: by camera.
    """

    leaves: bool
    predicted: int
    entropy: float
    used: int
    features: list[Content]


class Terms:
    """What the courses of all sites have in common.

    Args:
        cameras: those of one site that are up, in their order.
        last: the last sample.
    """

    def __init__(self, fabric: Shortcut, gateway: Gateway, cameras: Sequence[Camera], last: int) -> None:
        services = gateway.services
        self.fabric = fabric
        self.log = fabric.log
        self.clock = services.clock
        self.book = services.book
        self.inference = services.inference
        self.threshold = services.thresholds["local"]
        self.flops = services.flops["local"]
        self.gateway = gateway.index
        self.last = last
        self.wait_s = gateway.wait_s
        self.indices = [camera.index for camera in cameras]
        self.request = encode_nodes(sorted(self.indices))
        self.complete = len(cameras) == len(gateway.cameras)
        ups = [camera.port(SCORES).lanes[0].link for camera in cameras]
        downs = [lane.link for lane in _asked(gateway, cameras)]
        self._lines = (
            [(SCORES, camera.index, link) for camera, link in zip(cameras, ups, strict=True)],
            [(REQUEST, gateway.index, link) for link in downs],
            [(FEATURES, camera.index, link) for camera, link in zip(cameras, ups, strict=True)],
        )
        self._draws: dict[int, Sequence[Delayed] | None] = {}
        self._views: dict[int, View] = {}

    def draws(self, sample: int) -> Sequence[Delayed] | None:
        """The delays of the messages of one sample by site; None: they are too old to be at hand."""
        found = self._draws.get(sample)
        if found is None and sample not in self._draws:
            found = self._draws[sample] = self._drawn(sample)
            if len(self._draws) > KEPT:
                del self._draws[next(iter(self._draws))]
        return found

    def view(self, picture: int) -> View:
        """What comes of one picture."""
        view = self._views.get(picture)
        if view is None:
            view = self._views[picture] = self._viewed(picture)
            if len(self._views) > REMEMBERED:
                del self._views[next(iter(self._views))]
        return view

    def wait_until(self, from_s: float) -> None:
        """A gateway waits from a time on; the run is not over before it would have given up."""
        clock = self.clock
        heappush(clock.queue, (from_s + self.wait_s, clock.NORMAL, clock.number(), _nothing, None))

    def _drawn(self, sample: int) -> Sequence[Delayed] | None:
        stages = []
        for lines in self._lines:
            rows = [row for row in (self._row(sample, *line) for line in lines) if row is not None]
            if len(rows) < len(lines):
                return None
            stages.append(zip(*rows, strict=True))
        return list(zip(*stages, strict=True))

    def _row(self, sample: int, kind: int, origin: int, link: Link) -> Sequence[float] | None:
        delays = self.fabric.delays(link)
        if delays is None:
            return [max(0.0, link.model.latency_s)] * link.stream.sites
        return delays.row(kind, sample, origin)

    def _viewed(self, picture: int) -> View:
        outputs = [self.inference.device(picture, camera) for camera in self.indices]
        seen = {camera: out.scores for camera, out in zip(self.indices, outputs, strict=True) if not out.absent}
        verdict = self.inference.local(self.gateway, seen)
        features = [(out.features, ABSENT if out.absent else 0) for out in outputs]
        return View(verdict.entropy < self.threshold, verdict.predicted, verdict.entropy, len(seen), features)


class Stage:
    """One message to or from each camera: how long each is on its link, and what stands for it in the ledger.

    Args:
        lanes: where it goes; those of one port are one publish, which the first of them pays for.
        payload_bytes: its size.
    """

    __slots__ = ("_codes", "_durations_s", "_queued_s", "lanes", "payload_bytes")

    def __init__(self, fabric: Shortcut, lanes: Sequence[Lane], payload_bytes: int) -> None:
        self.lanes = lanes
        self.payload_bytes = payload_bytes
        self._queued_s = array("d", bytes(8 * len(lanes)))
        self._codes, self._durations_s = [], []
        new_code, paid = fabric.log.new_code, None
        for lane in lanes:
            cost = fabric.price(lane.port, payload_bytes)
            legs, paid = (1 if lane.port is paid else 2), lane.port
            sizes = payload_bytes, legs * cost.mqtt_bytes, legs * cost.tcpip_bytes, cost.link_bytes
            self._codes.append(1 << 56 | new_code(lane.number, sizes))
            self._durations_s.append(cost.link_bytes * 8.0 / lane.link.model.bandwidth_bps)

    def carry(self, log: MessageLog, sample: int, sent_s: Sequence[float], delays_s: Row) -> list[float]:
        """Writes the messages of a sample into the ledger, each on an idle link, and returns when they arrive."""
        arrive_s = [
            now_s + lasts_s + delay_s
            for now_s, lasts_s, delay_s in zip(sent_s, self._durations_s, delays_s, strict=True)
        ]
        log.sent_s.extend(sent_s)
        log.arrived_s.extend(arrive_s)
        log.queued_s.extend(self._queued_s)
        log.codes.extend([code | sample for code in self._codes])
        return arrive_s

    def settle(self, fabric: Shortcut, samples: int) -> None:
        """Counts what was sent of so many samples, all of which arrived."""
        paid, payload_bytes = None, samples * self.payload_bytes
        for lane in self.lanes:
            src, dst = lane.src, lane.dst
            link_bytes = samples * fabric.price(lane.port, self.payload_bytes).link_bytes
            if lane.port is not paid:
                paid = lane.port
                src.sent += samples
                src.sent_bytes += samples * HEADER_BYTES + payload_bytes
                src.bytes_up += link_bytes
            lane.messages += samples
            lane.payload_bytes += payload_bytes
            dst.received += samples
            dst.bytes_down += link_bytes


class Course:
    """What samples do below the gateway of one site; `cameras` are those below it that are up."""

    __slots__ = ("_disturbed", "_place", "_stages", "_taken", "_terms", "_up", "cameras", "gateway")

    def __init__(self, terms: Terms, gateway: Gateway, cameras: Sequence[Camera]) -> None:
        self.gateway = gateway
        self.cameras = cameras
        self._terms = terms
        self._stages: tuple[Stage, Stage, Stage] | None = None
        self._place = cameras[0].port(SCORES).lanes[0].link.site
        self._disturbed = False
        self._taken = self._up = 0

    def take(self, sample: int, now_s: float, picture: int) -> bool:
        """Lets the sample that is captured now take its course; False: it has to go the usual way."""
        terms, gateway = self._terms, self.gateway
        drawn = terms.draws(sample)
        if drawn is None or (self._disturbed and not self._is_quiet(now_s)):
            self._disturbed = True
            return False
        delays_s = drawn[self._place]
        if min(delays_s[0]) < 0.0 or min(delays_s[1]) < 0.0 or min(delays_s[2]) < 0.0:
            self._disturbed = True
            return False
        self._disturbed = False
        self._taken += 1
        scores, _, _ = self._stages or self._prepare()
        come_s = scores.carry(terms.log, sample, array("d", (now_s,)) * len(scores.lanes), delays_s[0])
        ready_s = max(come_s) if terms.complete else min(come_s) + terms.wait_s
        judged_s = gateway.reserve(ready_s, terms.flops)
        view, clock = terms.view(picture), terms.clock
        if sample == terms.last:
            terms.wait_until(min(come_s) if view.leaves else judged_s)
        clock._now = judged_s
        if view.leaves:
            gateway.decide(gateway.site, sample, "local", view.predicted, view.entropy, view.used)
        else:
            self._go_up(sample, judged_s, delays_s, view.features)
        clock._now = now_s
        return True

    def _go_up(self, sample: int, now_s: float, delays_s: tuple[Row, Row, Row], features: list[Content]) -> None:
        """Asks for features, and sends them up as they come."""
        terms, gateway = self._terms, self.gateway
        _, requests, answers = self._stages or self._prepare()
        self._up += 1
        terms.book.reach(gateway.site, sample, ASKED)
        come_s = requests.carry(terms.log, sample, array("d", (now_s,)) * len(requests.lanes), delays_s[1])
        back_s = answers.carry(terms.log, sample, come_s, delays_s[2])
        terms.book.reach(gateway.site, sample, FORWARDED)
        clock, publish, port = terms.clock, terms.fabric.publish, gateway.port(FEATURES)
        indices = terms.indices
        for when_s, _, place in sorted(zip(back_s, come_s, range(len(indices)), strict=True)):
            clock._now = when_s
            payload, flags = features[place]
            publish(port, sample, payload, dtype=BITS, origin=indices[place], flags=flags, expected=len(indices))

    def settle(self) -> None:
        """Counts what cameras, gateway and links did."""
        if self._stages is None:
            return
        gateway, fabric = self.gateway, self._terms.fabric
        scores, requests, answers = self._stages
        scores.settle(fabric, self._taken)
        requests.settle(fabric, self._up)
        answers.settle(fabric, self._up)
        gateway.judged += self._taken
        gateway.left += self._taken - self._up
        for camera in self.cameras:
            camera.captured += self._taken
        port = gateway.port(REQUEST)
        unasked = len(port.lanes) - len(requests.lanes)
        fabric.overheard_bytes += self._up * unasked * fabric.overheard(port, requests.payload_bytes)

    def _is_quiet(self, now_s: float) -> bool:
        """Whether all is over that was set off before."""
        lanes = chain.from_iterable(stage.lanes for stage in self._stages or self._prepare())
        return self.gateway.is_idle() and all(lane.link.last_arrival_s < now_s for lane in lanes)

    def _prepare(self) -> tuple[Stage, Stage, Stage]:
        terms, cameras = self._terms, self.cameras
        fabric, inference = terms.fabric, terms.inference
        self._stages = (
            Stage(fabric, [camera.port(SCORES).lanes[0] for camera in cameras], inference.score_bytes),
            Stage(fabric, _asked(self.gateway, cameras), len(terms.request)),
            Stage(fabric, [camera.port(FEATURES).lanes[0] for camera in cameras], inference.feature_bytes),
        )
        return self._stages


def _nothing(entry: object) -> None:
    """An entry that only passes the time."""


def courses(fabric: Shortcut, cameras: Sequence[Camera], samples: int) -> list[Course]:
    """One for every site, if samples may take their course there; all sites are alike.

    With several gateways in a site, it would matter which of them decides first.

    Args:
        cameras: those of all sites that are up, in their order.
        samples: how many each captures.
    """
    sites = [list(below) for _, below in groupby(cameras, key=attrgetter("site"))]
    if not sites:
        return []
    gateway = _above(sites[-1][0])  # of the last site, whose name is the longest
    if gateway is None or not _is_plain(gateway, sites[-1]) or not _is_short(fabric, gateway, sites[-1]):
        return []
    terms = Terms(fabric, gateway, sites[-1], samples - 1)
    found = [Course(terms, above, below) for below in sites if (above := _above(below[0])) is not None]
    fabric.settlers.extend(course.settle for course in found)
    return found


def _above(camera: Camera) -> Gateway | None:
    """The gateway that takes the camera's scores."""
    port = camera.ports.get((SCORES, camera.site))
    above = port.lanes[0].dst if port is not None else None
    return above if type(above) is Gateway else None


def _is_plain(gateway: Gateway, cameras: Sequence[Camera]) -> bool:
    """Whether scores go up, features follow when they are asked for, and one gateway relays those of a whole site."""
    thresholds = gateway.services.thresholds
    lanes = _asked(gateway, cameras)
    ports = [camera.ports.get((kind, camera.site)) for camera in cameras for kind in (SCORES, FEATURES)]
    return (
        gateway.relays
        and "local" in thresholds
        and "device" not in thresholds
        and all(type(camera) is Camera and camera.sends == "scores" for camera in cameras)
        and len({(camera.period_s, camera.profile.flops_per_second) for camera in cameras}) == 1
        and all(port is not None and [lane.dst for lane in port.lanes] == [gateway] for port in ports)
        and [lane.dst for lane in lanes] == list(cameras)
        and all(type(lane.link) is Link for lane in (*lanes, *(port.lanes[0] for port in ports if port is not None)))
    )


def _is_short(fabric: Shortcut, gateway: Gateway, cameras: Sequence[Camera]) -> bool:
    """Whether a sample without losses is over well before the next is captured, and nobody waits in vain for it."""
    inference, camera = gateway.services.inference, cameras[0]

    def longest_s(lanes: Iterable[Lane], payload_bytes: int) -> float:
        return max(
            fabric.price(lane.port, payload_bytes).link_bytes * 8.0 / lane.link.model.bandwidth_bps
            + max(0.0, lane.link.model.latency_s)
            + lane.link.model.jitter_s
            for lane in lanes
        )

    scores_s = longest_s((below.port(SCORES).lanes[0] for below in cameras), inference.score_bytes)
    request_s = longest_s(_asked(gateway, cameras), len(encode_nodes([below.index for below in cameras])))
    answer_s = longest_s((below.port(FEATURES).lanes[0] for below in cameras), inference.feature_bytes)
    compute_s = gateway.services.flops["local"] / gateway.profile.flops_per_second
    apart_s = max(camera.period_s, camera.capture_flops / camera.profile.flops_per_second)
    patience_s = 0.0 if len(cameras) == len(gateway.cameras) else gateway.wait_s
    over_s = scores_s + patience_s + compute_s + request_s + answer_s
    return over_s < SPARE * apart_s and max(scores_s, request_s + answer_s) < SPARE * gateway.wait_s


def _asked(gateway: Gateway, cameras: Sequence[Camera]) -> list[Lane]:
    """The lanes on which the gateway asks these cameras."""
    port = gateway.ports.get((REQUEST, gateway.site))
    return [] if port is None else [lane for lane in port.lanes if lane.dst in cameras]
