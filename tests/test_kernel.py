"""The fast ways through the kernel change nothing: same tables, to the byte, as the ways that faults need."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from world_kit import small

from brokers.memory import MemoryCarrier
from sim import world
from sim.clock import Clock
from sim.link import KEPT, Delays, LinkModel, Stream
from sim.rng import Grid
from sim.world.play import Outcome, play
from sim.world.result import node_rows

NEVER = "faults=[{kind: delay, target: '*', by: 1 s, probability: 0.0}]"


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
    """Shortcut, shutter and parts against bytes in a carrier, a process for each camera and one queue of events."""
    quick, quick_files, quick_nodes = play_in(tmp_path / "quick", small("six_cameras", *overrides), None)
    slow, files, nodes = play_in(tmp_path / "slow", small("six_cameras", *overrides, NEVER), MemoryCarrier())
    assert quick.log.tally().messages > 100
    assert quick_files == files
    assert quick_nodes == nodes
    assert (quick.virtual_s, quick.overheard_bytes) == (slow.virtual_s, slow.overheard_bytes)


def test_draws_are_the_same_alone_and_in_blocks() -> None:
    grid = Grid(3, "link", "cam.0->gw")
    lost, jitter = grid.block(5, 2, range(90, 97), 4)
    for sample in range(90, 97):
        for site in range(5):
            assert grid.pair(site, 2, sample, 4, 0) == (lost[sample - 90, site], jitter[sample - 90, site])
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
    stream = Stream(1, "a->b", sites=300)
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
