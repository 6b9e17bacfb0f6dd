"""One fleet over several processes: the tables of one process to the byte, and a clear end when one goes wrong."""

import multiprocessing
import random
import threading
from array import array
from collections import Counter
from collections.abc import Callable
from math import inf
from multiprocessing import Pipe
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from world_kit import digest, record, small

from sim import world
from sim.cli.app import app
from sim.clock import Clock
from sim.errors import SetupError, UsageError
from sim.nodes.cloud import Cloud, Session
from sim.nodes.shared import SharedCloud
from sim.profiles import Profile
from sim.scenario import Scenario
from sim.world.play import Outcome, play
from sim.world.result import node_rows, summarise
from sim.world.shards import Crew, check
from sim.world.shards.peers import PeerGoneError, Peers

SLOW = ("nodes.cloud.profile=slow", "profiles.slow={compute: 2 MFLOPS, idle: 1 W, busy: 2 W}")
EYES = "nodes.eye={role: camera, count: 3, profile: eyes-of-things, uplink: gw, period: 1 s, send: raw}"
EYE = "links.eye->gw={bandwidth: 100 kbit/s, latency: 5 ms}"
HASTY = ("nodes.cloud.wait=1 ms", "links.gw->cloud.jitter=20 ms", "links.cam->gw.jitter=4 ms", "nodes.gw.count=2")


class Made:
    """What a run made: everything that could differ."""

    def __init__(self, folder: Path, wanted: Scenario, run: Callable[..., Outcome]) -> None:
        prepared = world.prepare(wanted)
        inference = prepared.network.inference(prepared.dataset)
        folder.mkdir()
        self.outcome = run(prepared, inference, folder / "messages.parquet")
        self.outcome.book.write(folder / "decisions.parquet", [f"site-{site}" for site in range(wanted.sites)])
        self.files = [digest(folder, f"{name}.parquet") for name in ("messages", "decisions")]
        self.nodes = node_rows(prepared, self.outcome)
        self.summary = summarise(prepared, inference, self.outcome, "virtual")


def alone(prepared: Any, inference: Any, messages: Path) -> Outcome:
    return play(prepared, inference, None, messages, "shardstt")


def over(shards: int) -> Callable[..., Outcome]:
    crew = Crew(shards)
    return lambda prepared, inference, messages: crew.play(prepared, inference, messages, "shardstt")


def compare(folder: Path, wanted: Scenario, *shards: int, least: int = 100) -> Made:
    """Runs in one process and over several; what one process made."""
    check(wanted, "virtual")
    one = Made(folder / "one", wanted, alone)
    assert one.outcome.log.tally().messages > least
    for number in shards:
        several = Made(folder / f"over-{number}", wanted, over(number))
        assert several.files == one.files
        assert several.nodes == one.nodes
        assert several.summary == one.summary
        assert several.outcome.overheard_bytes == one.outcome.overheard_bytes
    return one


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("six_cameras", ("sites=40", "samples=10")),
        ("six_cameras", ("sites=5", "mqtt.qos=0", "links.cam->gw.loss=20 %", "links.gw->cloud.loss=10 %")),
        ("six_cameras", ("sites=35", "samples=6", "links.gw->cloud.loss=20 %", "nodes.gw.wait=60 ms")),
        ("six_cameras", ("sites=7", "links.gw->cloud={bandwidth: 20 kbit/s, latency: 15 ms, jitter: 5 ms, queue: 2}")),
        ("six_cameras", ("sites=4", "nodes.gw.count=2", "exits.device=0.4", "down=[cam.1]", "nodes.cam.period=20 ms")),
        ("six_cameras", ("sites=4", "policies.select={kind: confident, k: 2}", "exits.local=0.2")),
        (
            "six_cameras",
            ("sites=6", "exits={}", "nodes.cam.count=3", EYES, "links.eye->gw={bandwidth: 100 kbit/s, latency: 5 ms}"),
        ),
        ("topology_a", ("sites=6",)),
        ("topology_b", ("sites=6", "exits={device: 0.5}")),
        ("topology_b", ("sites=6",)),
        ("topology_d", ("sites=6",)),
        ("topology_e", ("sites=6",)),
        ("topology_f", ("sites=6",)),
    ],
)
def test_the_tables_are_those_of_one_process(tmp_path: Path, name: str, overrides: tuple[str, ...]) -> None:
    compare(tmp_path, small(name, *overrides), 2, 3)


def _drawn(seed: int) -> list[str]:
    """A fleet in which messages, deadlines, exits and verdicts may come in any order."""
    pick = random.Random(seed).choice
    return [
        f"sites={pick([2, 5, 40])}",
        f"samples={pick([5, 12])}",
        f"nodes.gw.count={pick([1, 1, 2, 3])}",
        f"nodes.gw.wait={pick([10, 60, 200])} ms",
        f"nodes.cam.period={pick([50, 300, 1000])} ms",
        f"nodes.cloud.wait={pick([1, 50, 1000])} ms",
        f"nodes.cloud.profile={pick(['server', 'slow'])}",
        f"profiles.slow={{compute: {pick([1, 5, 20])} MFLOPS, idle: 1 W, busy: 2 W}}",
        f"links.cam->gw.loss={pick([0, 1, 10])} %",
        f"links.cam->gw.jitter={pick([0, 1, 4])} ms",
        f"links.gw->cloud.jitter={pick([0, 5, 20])} ms",
        f"links.gw->cloud.loss={pick([0, 0, 5])} %",
        f"links.gw->cloud.bandwidth={pick([20, 5000])} kbit/s",
        f"mqtt.qos={pick([0, 1])}",
        f"exits={pick(['{local: 0.1}', '{local: 0.5}', '{device: 0.3, local: 0.5}', '{device: 0.4}', '{}'])}",
        f"model.edge={pick(['null', 'null', '{filters: 2}'])}",
        f"down={pick([[], [], ['cam.2'], ['cam.0', 'cam.5']])}",
    ]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_races_the_tables_are_those_of_one_process(tmp_path: Path, seed: int) -> None:
    drawn = _drawn(seed)
    print(f"replay: seed {seed}, {' '.join(drawn)}")
    compare(tmp_path, small("six_cameras", *drawn), 2, least=20)


@pytest.mark.parametrize("jitter", ["0 s", "1 ms"])
def test_all_sites_queue_at_one_cloud(tmp_path: Path, jitter: str) -> None:
    """Without jitter all sites are ready at the same time, and who comes first is by site."""
    overrides = ("sites=20", "samples=12", "exits.local=0.1", f"links.cam->gw.jitter={jitter}", "links.cam->gw.loss=0")
    one = compare(tmp_path, small("six_cameras", *overrides, *SLOW), 2, 3)
    assert one.summary["virtual_s"] > 30, "the cloud is far behind"


@pytest.mark.parametrize(
    "overrides",
    [("exits={device: 0.3}",), ("exits={local: 0.5}",), ("exits={edge: 0.5}", "model.edge={filters: 2}")],
)
def test_deadlines_and_exits_race_with_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overrides: tuple[str, ...]
) -> None:
    seen: Counter[str] = Counter()
    with monkeypatch.context() as patch:
        _count(patch, seen)
        slow = (SLOW[0], SLOW[1].replace("2 MFLOPS", "20 MFLOPS"))
        compare(tmp_path, small("six_cameras", "sites=12", *slow, *HASTY, *overrides), 2, 3)
    assert seen["gave up"] > 20
    assert seen["over"] > 10
    assert seen["judged"] > 20


def _count(patch: pytest.MonkeyPatch, seen: Counter[str]) -> None:
    """Counts what happens at the cloud of one process."""
    is_over, give_up = Cloud._is_over, Cloud._give_up

    def counted(cloud: Cloud, session: Session) -> bool:
        over = is_over(cloud, session)
        seen["over" if over else "judged"] += 1
        return over

    def gives_up(cloud: Cloud, session: Session) -> None:
        seen["gave up"] += 1
        give_up(cloud, session)

    patch.setattr(Cloud, "_is_over", counted)
    patch.setattr(Cloud, "_give_up", gives_up)


def test_what_is_ready_at_one_time_takes_turns_as_on_one_clock() -> None:
    """Deadlines before messages and in the order in which they were set, messages by site."""
    services: Any = SimpleNamespace(clock=Clock())
    profile = Profile(flops_per_second=1.0, idle_w=0.0, busy_w=0.0, source="")
    cloud = SharedCloud(
        services,
        name="cloud", group="cloud", role="cloud", site=-1, index=0, client=0, profile=profile,
        children=1, has_edge=False, wait_s=1.0,
    )  # fmt: skip
    services.clock._now = 5.0
    for sample in range(3):
        cloud._work(Session(9, sample, 0.0), 1.0)
    mine = cloud.ready()
    assert list(mine) == [5.0, inf, 1.0] * 3
    mine[1], mine[3 + 1] = 4.0, 4.2  # as if two of them had been given up
    before, after = array("d", [5.0, inf, 10.0, 5.0, 4.1, 100.0]), array("d", [5.0, 4.0, 1000.0])
    cloud.take_turns([before, mine, after], 1, inf)
    done_s = {entry[-1].sample: entry[0] for entry in cloud.verdicts}
    assert done_s == {0: 5.0 + 1, 1: 5.0 + 1 + 1000 + 100 + 1, 2: 5.0 + 1 + 1000 + 100 + 1 + 10 + 1}
    assert cloud.busy_s == 1113.0


def test_a_run_folder_of_several_processes_is_that_of_one(tmp_path: Path) -> None:
    wanted, told = small("six_cameras", "sites=3"), list[tuple[str, int, int]]()
    one = world.simulate(wanted, mode="virtual", out=tmp_path / "one")
    many = world.simulate(
        wanted, mode="virtual", out=tmp_path / "many", shards=8, progress=lambda *words: told.append(words)
    )
    names = sorted(path.name for path in one.folder.glob("*.parquet"))
    assert names == sorted(path.name for path in many.folder.glob("*.parquet"))
    assert [digest(one.folder, name) for name in names] == [digest(many.folder, name) for name in names]
    assert digest(one.folder, "summary.json") == digest(many.folder, "summary.json")
    assert record(many.folder)["shards"] == 3, "no more than there are sites"
    assert told[-1] == ("simulating", wanted.samples, wanted.samples)


def _fails(tmp_path: Path, wanted: Scenario, progress: Any, error: type[BaseException], words: str) -> str:
    with pytest.raises(error, match=words):
        world.simulate(wanted, mode="virtual", out=tmp_path, run_id="it", shards=2, progress=progress)
    assert not multiprocessing.active_children(), "nobody is left behind"
    assert not (tmp_path / wanted.name / "it").exists()
    return str(record(tmp_path / wanted.name / "it.partial")["status"])


def test_a_process_that_is_killed_ends_the_run(tmp_path: Path) -> None:
    def kill(what: str, done: int, of: int) -> None:
        if what == "simulating":
            multiprocessing.active_children()[0].kill()

    wanted = small("six_cameras", "sites=200", "samples=24")
    assert "died" in _fails(tmp_path, wanted, kill, SetupError, r"shard \d of 2 died \(exit code -9\)")


def test_ctrl_c_ends_all_processes(tmp_path: Path) -> None:
    def interrupt(what: str, done: int, of: int) -> None:
        if what == "simulating":
            raise KeyboardInterrupt

    assert _fails(tmp_path, small("six_cameras", "sites=4"), interrupt, KeyboardInterrupt, "^$") == "interrupted"


def test_what_goes_wrong_in_a_process_is_told(tmp_path: Path) -> None:
    wanted = small("six_cameras", "sites=4", "policies.select={kind: 'policy_kit:Clumsy'}")
    assert "ZeroDivisionError" in _fails(tmp_path, wanted, None, ZeroDivisionError, "by zero")


@pytest.mark.parametrize(
    ("mode", "overrides", "words"),
    [
        ("lockstep", (), "--shards is for virtual runs, this one is lockstep; add --mode virtual"),
        ("virtual", ("faults=[{kind: crash, target: cam.3, at: 2 s}]",), "faults may look at any site"),
        ("virtual", ("policies.split={kind: adaptive, deadline: 300 ms}",), "policies.split: cameras that choose"),
        ("virtual", ("policies.failover={kind: nearest}", "nodes.gw.count=2"), "policies.failover may look"),
        ("virtual", ("links.gw->cloud.latency=0.5 ms",), r"links.gw->cloud: latency less jitter is 0.5 ms.*sweep -j"),
    ],
)
def test_a_fleet_that_cannot_be_split_is_refused(mode: str, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check(small("six_cameras", *overrides), mode)


def test_the_command_refuses_before_it_writes_anything(tmp_path: Path) -> None:
    scenario = Path(__file__).parents[1] / "scenarios" / "six_cameras.yaml"
    ended = CliRunner().invoke(app, ["run", str(scenario), "--shards", "2", "-o", str(tmp_path / "runs")])
    assert (ended.exit_code, "add --mode virtual" in ended.output) == (2, True)
    assert not (tmp_path / "runs").exists()


def test_messages_of_any_size_cross_without_anybody_waiting() -> None:
    ours, theirs = Pipe()
    one, other = Peers({1: ours}), Peers({0: theirs})
    big, heard = bytes(range(256)) * 20_000, list[bytes]()

    def exchange() -> None:
        for _ in range(3):
            other.say(big)
            heard.append(other.hear()[0])

    thread = threading.Thread(target=exchange)
    thread.start()
    for _ in range(3):
        one.say(big[::-1])
        assert one.hear() == {1: big}
    thread.join()
    assert heard == [big[::-1]] * 3
    theirs.close()
    with pytest.raises(PeerGoneError):
        one.hear()
    with pytest.raises(PeerGoneError):
        one.say(b"is anybody there?")
