"""The fast ways through the kernel change nothing: same tables, to the byte, as the ways that faults need."""

import random
from collections import Counter, deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from world_kit import small

from brokers.memory import MemoryCarrier
from sim import world
from sim.clock import Clock
from sim.ledger import messages
from sim.link import KEPT, Delays, LinkModel, Stream
from sim.nodes.express import Course
from sim.rng import Grid
from sim.wire import SCORES, Frame, decode
from sim.world.play import Outcome, play
from sim.world.result import node_rows

NEVER = "faults=[{kind: delay, target: '*', by: 1 s, probability: 1.0e-15}]"


def play_in(
    folder: Path, wanted: Any, carrier: MemoryCarrier | None
) -> tuple[Outcome, list[bytes], list[dict[str, Any]]]:
    prepared = world.prepare(wanted)
    inference = prepared.network.inference(prepared.dataset)
    folder.mkdir()
    outcome = play(prepared, inference, carrier, folder / "messages.parquet", "kerneltt")
    outcome.book.write(folder / "decisions.parquet", [f"site-{n}" for n in range(wanted.sites)])
    files = [(folder / f"{name}.parquet").read_bytes() for name in ("messages", "decisions")]
    return outcome, files, node_rows(prepared, outcome)


@pytest.mark.parametrize(
    "overrides",
    [
        ("sites=3",),
        ("sites=3", "links.cam->gw.jitter=0 s", "links.cam->gw.loss=0", "links.gw->cloud.loss=20 %"),
        ("links.cam->gw.loss=30 %", "mqtt.qos=0", "links.cam->gw.bandwidth=4 kbit/s", "links.cam->gw.queue=1"),
        ("sites=2", "nodes.gw.count=2", "exits.device=0.4", "down=[cam.1]", "nodes.cam.period=20 ms"),
        ("sites=35", "samples=4", "links.cam->gw.loss=5 %"),
        ("sites=35", "samples=4", "links.cam->gw.jitter=0 s", "links.gw->cloud.loss=20 %", "nodes.gw.wait=60 ms"),
        ("sites=35", "samples=4", "model.edge={filters: 2}", "exits.edge=0.7", "links.gw->cloud.latency=0 s"),
        ("sites=2", "policies.split={kind: adaptive, deadline: 300 ms}"),
    ],
)
def test_without_bytes_and_in_step_the_tables_are_the_same(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    """Shortcut, ferry, shutter and parts against `Fabric`, a process for each camera and one queue of events."""
    slow, files, nodes = play_in(tmp_path / "slow", small("six_cameras", *overrides, NEVER), MemoryCarrier())
    assert slow.log.tally().messages > 100
    for name, carrier in (("shortcut", None), ("ferry", MemoryCarrier())):
        quick, quick_files, quick_nodes = play_in(tmp_path / name, small("six_cameras", *overrides), carrier)
        assert quick_files == files
        assert quick_nodes == nodes
        assert (quick.virtual_s, quick.overheard_bytes) == (slow.virtual_s, slow.overheard_bytes)
        assert (quick.unasked, quick.divergences) == (0, 0)


class Listening(MemoryCarrier):
    """Notes every message in the order in which it is published."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: dict[int, list[Frame]] = {}

    def publish(self, sender: int, topic: str, payload: bytes, qos: int) -> None:
        self.heard.setdefault(sender, []).append(decode(payload))
        super().publish(sender, topic, payload, qos)


def test_cameras_hand_over_scores_ahead_of_their_time_and_number_what_they_send_in_that_order(tmp_path: Path) -> None:
    ahead, usual = Listening(), Listening()
    play_in(tmp_path / "ferry", small("six_cameras", "samples=6"), ahead)
    play_in(tmp_path / "slow", small("six_cameras", "samples=6", NEVER), usual)
    assert ahead.heard.keys() == usual.heard.keys()
    for sender, frames in ahead.heard.items():
        assert [frame.sequence for frame in frames] == list(range(1, len(frames) + 1))
        whole = [sorted(frame._replace(sequence=0) for frame in some) for some in (frames, usual.heard[sender])]
        assert whole[0] == whole[1]
    first = [(frame.kind, frame.sample) for frame in ahead.heard[1][:4]]
    assert first == [(SCORES, 0), (SCORES, 1), (SCORES, 2), (SCORES, 3)]


class Forgetful(MemoryCarrier):
    """Brings nothing, ever."""

    def inlet(self, receiver: int, topic: str) -> deque[bytes]:
        return deque()

    def take(self, receiver: int, topic: str, expected: bytes, patience_s: float) -> bytes | None:
        return None


def test_what_the_carrier_does_not_bring_is_a_divergence_on_every_way(tmp_path: Path) -> None:
    lost, files, nodes = play_in(tmp_path / "ferry", small("six_cameras"), Forgetful())
    slow, slow_files, slow_nodes = play_in(tmp_path / "slow", small("six_cameras", NEVER), Forgetful())
    assert lost.divergences == slow.divergences == lost.log.tally(fate="lost:divergence").messages > 100
    assert lost.unasked == slow.unasked > 100
    assert (files, nodes) == (slow_files, slow_nodes)


def _drawn(seed: int) -> list[str]:
    """A fleet whose samples may now and then get in each other's way below their gateway."""
    rng = random.Random(seed)
    pick = rng.choice
    return [
        f"sites={pick([1, 2, 20])}",
        f"nodes.gw.count={pick([1, 1, 2])}",
        f"nodes.cam.period={pick([45, 60, 100, 300])} ms",
        f"nodes.gw.wait={pick([30, 60, 200])} ms",
        f"nodes.cam.buffer={pick([1, 2, 16])}",
        f"links.cam->gw.loss={pick([0, 1, 10])} %",
        f"links.cam->gw.jitter={pick([0, 1, 4])} ms",
        f"links.cam->gw.bandwidth={pick([100, 250, 1000])} kbit/s",
        f"links.gw->cloud.latency={pick([0, 2, 40])} ms",
        f"links.gw->cloud.loss={pick([0, 5])} %",
        f"mqtt.qos={pick([0, 1])}",
        f"exits.local={pick([0.1, 0.8, 1.0])}",
        f"down={pick([[], [], ['cam.2'], ['cam.0', 'cam.5']])}",
    ]


@pytest.mark.parametrize("seed", range(8))
def test_samples_that_take_their_course_in_one_go_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    ways = Counter[bool]()
    take = Course.take

    def counted(course: Course, sample: int, now_s: float, picture: int) -> bool:
        taken = take(course, sample, now_s, picture)
        ways[taken] += 1
        return taken

    monkeypatch.setattr(Course, "take", counted)
    overrides = _drawn(seed)
    quick, quick_files, quick_nodes = play_in(tmp_path / "quick", small("six_cameras", *overrides), None)
    taken = dict(ways)
    monkeypatch.setattr("sim.world.play.courses", lambda *_: [])
    slow, files, nodes = play_in(tmp_path / "slow", small("six_cameras", *overrides), None)
    replay = " ".join(f"--set '{override}'" for override in overrides)
    assert (quick_files, quick_nodes) == (files, nodes), f"{taken}: fogfleet run scenarios/six_cameras.yaml {replay}"
    assert (quick.virtual_s, quick.overheard_bytes) == (slow.virtual_s, slow.overheard_bytes), replay


def test_a_sample_takes_the_usual_way_when_a_message_of_it_is_lost() -> None:
    def ways(*overrides: str) -> Counter[bool]:
        found = Counter[bool]()
        prepared = world.prepare(small("six_cameras", "sites=20", *overrides))
        inference = prepared.network.inference(prepared.dataset)
        with pytest.MonkeyPatch.context() as patch:
            take = Course.take
            patch.setattr(Course, "take", lambda *given: found.update([took := take(*given)]) or took)
            play(prepared, inference, None, None, "kerneltt")
        return found

    calm, lossy, hasty = ways("links.cam->gw.loss=0"), ways("links.cam->gw.loss=5 %"), ways("nodes.cam.period=30 ms")
    assert calm[True] > 100 and not calm[False]
    assert lossy[True] > 100 and lossy[False] > 100
    assert not hasty, "the next sample would come too early"


def test_losses_in_the_middle_of_a_window_do_not_write_what_is_not_known_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts take turns within a window: only its end settles the ledger, however full it is."""
    monkeypatch.setattr(messages, "ROW_GROUP", 100)
    overrides = ("sites=40", "samples=4", "links.cam->gw.loss=20 %", "mqtt.qos=0")
    _, quick, _ = play_in(tmp_path / "quick", small("six_cameras", *overrides), None)
    _, slow, _ = play_in(tmp_path / "slow", small("six_cameras", *overrides, NEVER), MemoryCarrier())
    assert quick == slow


def test_draws_are_the_same_alone_and_in_blocks() -> None:
    grid = Grid(3, "link", "cam.0->gw")
    lost, jitter = grid.block(5, 2, range(90, 97), 4)
    for sample in range(90, 97):
        for site in range(5):
            assert grid.pair(site, 2, sample, 4, 0) == (lost[sample - 90, site], jitter[sample - 90, site])
    some, _ = grid.block(2, 2, range(90, 97), 4, first=3)
    assert (some == lost[:, 3:]).all()
    numbers = [grid.pair(site, kind, 7, 1, attempt) for site in (0, 1) for kind in (1, 2) for attempt in (0, 1)]
    assert len({number for pair in numbers for number in pair}) == 16, "each counter changes both numbers"


def test_draws_are_uniform_and_independent() -> None:
    first, second = (draws.ravel() for draws in Grid(0, "x").block(200, 1, range(500), 0))
    for draws in (first, second):
        counts, _ = np.histogram(draws, 20, (0, 1))
        assert abs(counts - 5000).max() < 350, "five standard deviations"
    neighbours = [
        np.corrcoef(first, second),
        np.corrcoef(first[1:], first[:-1]),
        np.corrcoef(first[200:], first[:-200]),
    ]
    assert max(abs(table[0, 1]) for table in neighbours) < 0.016


def test_a_message_that_comes_after_its_block_has_gone_is_delayed_as_it_would_have_been() -> None:
    model = LinkModel(1e6, latency_s=0.01, jitter_s=0.002, loss=0.2)
    stream = Stream(1, "a->b", sites=2000)
    early = [Delays(stream, model).at(7, 1, sample, 0) for sample in range(20)]
    delays = Delays(stream, model)
    delays.at(7, 1, 1000, 0)
    assert [delays.at(7, 1, sample, 0) for sample in range(20)] == early
    for sample in range(1001, 1050):
        delays.at(7, 1, sample, 0)
    assert len(delays.rows) == KEPT, "they do not pile up"


def test_a_light_entry_has_its_place_among_calls_and_events() -> None:
    clock, seen = Clock(), list[str]()
    clock.at(1.0, seen.append, "call")
    clock.queue.append((1.0, clock.NORMAL, clock.number(), lambda entry: seen.append(entry[4]), "light"))
    clock.at(1.0, seen.append, "later")
    clock.timeout(0.5).callbacks.append(lambda _: seen.append("event"))
    clock.run()
    assert seen == ["event", "call", "light", "later"]
