"""Files that are no scenarios at all: each is refused in plain words, in bounded time and memory, and does no harm."""

from __future__ import annotations

import cProfile
import json
import pstats
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scenario_kit import KINDS, SCENARIOS, SMALL, told

from sim.errors import ScenarioError
from sim.scenario import load, loads

BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "b: &b0 {}\n" + "".join(f"b{n}: &b{n} {{<<: [*b{n - 1}, *b{n - 1}]}}\n" for n in range(1, 500))

TEXTS = {
    "empty": ("", "1:1: the file is empty"),
    "comment": ("# nothing\n", "1:1: the file is empty"),
    "null": ("~", "1:1: the file is empty"),
    "scalar": ("hello", "1:1: a scenario is a mapping ('key: value'), not 'hello'"),
    "list": ("- 1", "1:1: a scenario is a mapping ('key: value'), not a list"),
    "two documents": (SMALL + "---\na: 1", "10:1: a second document begins here"),
    "open bracket": ("a: [1", "1:6: not YAML"),
    "open quote": ("a: 'x", "1:6: not YAML"),
    "tab": ("a:\n\t- b", "2:1: not YAML: while scanning"),
    "colon in text": ("a: b: c", "1:5: not YAML: mapping values are not allowed here; put text with ': ' in quotes"),
    "reserved character": ("a: @x", "1:4: not YAML"),
    "escape beyond Unicode": ('a: "\\UFFFFFFFF"', "1:1: not YAML after this point"),
    "half a character": (SMALL.replace("small", '"\\uD800"'), "1:7: control character U+D800 in a text; remove it"),
    "null character": ("a: \x00", "1:4: control character U+0000; remove it"),
    "escape sequence": ("a: \x1b[31m", "1:4: control character U+001B; remove it"),
    "null character in quotes": (SMALL.replace("small", '"\\0"'), "1:7: control character U+0000 in a text"),
    "alias bomb": (BOMB, "aliases expand to more than 10000 values"),
    "merge bomb": (MERGES, "aliases"),
    "alias of itself": ("a: &a [*a]", "1:8: '*a' contains itself"),
    "merge of itself": ("a: &a {<<: *a}", "1:12: '*a' contains itself"),
    "merge of text": (SMALL + "<<: x", "only mappings can be merged"),
    "unknown alias": ("a: *b", "1:4: '*b' has no anchor '&b' before it"),
    "deep brackets": ("[" * 100_000, "1:25: nested 24 deep"),
    "deep braces": ("{a: " * 50_000, "nested 24 deep"),
    "deep lists": ("- " * 50_000, "nested 24 deep"),
    "deep mappings": ("\n".join(" " * n + "a:" for n in range(600)), "nested 24 deep"),
    "python tag": (SMALL.replace("small", "!!python/name:os.system x"), "1:7: tag '!!python/name:os.system'"),
    "binary tag": (SMALL.replace("small", "!!binary c21hbGw="), "1:7: tag '!!binary'"),
    "own tag": (SMALL.replace("small", "!mine small"), "1:7: tag '!mine' has no meaning here"),
    "old YAML": ("%YAML 1.1\n---\n" + SMALL, "2:1: a YAML version other than 1.2"),
    "future YAML": ("%YAML 9999999999999999999.1\n---\na: 1", "not YAML"),
    "a list as a key": ("? [a, b]\n: c", "1:3: a sequence is not a key"),
    "a number as a key": ("1: 2", "1:1: 1 is not a key; keys are words"),
    "null as a key": ("~: 2", "1:1: null is not a key"),
    "5000 digits": (SMALL + "seed: " + "9" * 5000, "10:7: a number of 5000 characters"),
    "5000 digits of a float": (SMALL + "seed: 0." + "9" * 5000, "10:7: a number of 5002 characters"),
    "5000 digits with a unit": (SMALL.replace("250", "9" * 5000), "7:24: links.cam->gw.bandwidth: '99999"),
    "too many values": ("a: [" + "1," * 60_000 + "]", "more than 10000 values"),
    "too large": ("# " + "x" * 300_000, "larger than 256 KiB"),
    "a very long key": ("x" * 200_000 + ": 1", "1:200001: not YAML"),
}


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Bounds the work done within, in calls of functions: so many are made on every machine."""
    with cProfile.Profile() as profile:
        yield
    made: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    assert made < calls


@pytest.mark.parametrize("name", TEXTS)
def test_text_that_is_no_scenario(name: str) -> None:
    text, line = TEXTS[name]
    with at_most(10_000_000):
        found = told(text)
    assert any(line in problem for problem in found), found
    assert all(len(problem) < 400 for problem in found)


def _refused(path: Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(path)
    return str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "six.yaml").write_text(SMALL)
    assert "is a directory; name a scenario file" in _refused(tmp_path)
    assert "no such file; did you mean 'six.yaml'?" in _refused(tmp_path / "sixx.yaml")
    assert "no such file" in _refused(tmp_path / "nowhere" / "x.yaml")
    assert "cannot be read" in _refused(tmp_path / "a\0b")
    assert "cannot be read" in _refused(tmp_path / ("x" * 5000))


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (bytes(range(256)) * 10, "is not text"),
        (SMALL.encode("utf-16"), ":1:1: is UTF-16; save it as UTF-8"),
        (SMALL.replace("small", "smäll").encode("latin-1"), ":1:9: is not UTF-8 text (byte 0xe4); save it as UTF-8"),
        (b"x" * (300 * 1024), "larger than 256 KiB"),
        (b"", ":1:1: the file is empty"),
    ],
)
def test_bytes_that_are_no_text(tmp_path: Path, content: bytes, line: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(content)
    assert line in _refused(path)


def _costly() -> dict[str, str]:
    many = range(1500)
    profiles = ", ".join(f"p{n}: {{compute: 1 GFLOPS, idle: 1 W, busy: 2 W}}" for n in range(1100))
    return {
        "long sweep": SMALL + "sweep: {grid: {seed: 0..4095, sites: 1..4000}}\n",
        "large and swept": SMALL + f"profiles: {{{profiles}}}\nsweep: {{grid: {{seed: 0..4095}}}}\n",
        "errors and swept": SMALL + "".join(f"k{n}: 1\n" for n in many) + "sweep: {grid: {seed: 0..4095}}\n",
        "unknown uplinks": SMALL.replace(
            "  gw:", "".join(f"  x{n}: {{role: camera, uplink: y{n}}}\n" for n in many) + "  gw:"
        ),
        "unknown links": SMALL.replace("  cam->gw", "".join(f"  a{n}->b{n}: {{}}\n" for n in many) + "  cam->gw"),
        "unknown faults": SMALL + "faults:\n" + "".join(f"  - {{kind: k{n}, target: t{n}}}\n" for n in many),
    }


@pytest.mark.parametrize("name", _costly())
def test_checking_takes_bounded_work(name: str) -> None:
    with at_most(30_000_000):  # the worst makes a third; what grows with the square would make hundreds
        try:
            loads(_costly()[name])
        except ScenarioError as error:
            assert len(error.problems) > 100


CHECK = """
import re, sys
from sim.scenario import load
load(sys.argv[1])
heavy = sorted({"torch", "pandas", "matplotlib", "simpy", "paho", "numpy"} & set(sys.modules))
# Not getrusage: a child's ru_maxrss begins with that of the process which started it.
peak_kb = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
print(int(peak_kb) // 1024, *heavy)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_checking_a_scenario_loads_nothing_heavy_and_stays_small() -> None:
    command = [sys.executable, "-c", CHECK, str(SCENARIOS / "six_cameras.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    megabytes, *heavy = done.stdout.split()
    assert int(megabytes) < 200
    assert heavy == []


def _holds(text: str, overrides: tuple[str, ...] = ()) -> None:
    """Either a scenario, which survives a round trip, or a ScenarioError that can be printed."""
    try:
        scenario = loads(text, "f.yaml", overrides=overrides, fault_kinds=KINDS)
    except ScenarioError as error:
        assert error.problems
        assert str(error).encode("utf-8")
        return
    assert loads(json.dumps(scenario.to_json()), "f.yaml", fault_kinds=KINDS) == scenario
    assert len({node.name for node in scenario.expanded()}) == len(scenario.expanded())


FULL = (
    SMALL
    + """\
data: {kind: multiview, cameras: 4}
faults: [{kind: noise, id: fog, target: cam, strength: 0.5, at: 1 s}]
sweep: {grid: {exits.local: [0.1, 0.5]}, combinations: {of: cam, down: 0..2}, seeds: 0..2}
expect: {accuracy: ">= 0.9"}
mqtt: {qos: 1, version: 5}
model: {edge: {filters: 2}, training: {epochs: 3}}
"""
)
_YAML = [
    "{",
    "}",
    "[",
    "]",
    "!!str ",
    "!",
    "null",
    ".nan",
    "-1",
    "0",
    "1e999",
    "'",
    '"',
    "#",
    "|",
    ">",
    "%",
    "@",
    "true",
]
_ODD = ["~", "...", "\\", "2001-01-01", "12:30", "\u0663", "\ufeff"]
_OURS = ["cam", "gw", "cloud", "cam->gw", "5 ms", "0..6", "kind", "role: camera", "uplink: cam"]
_SPACED = ["", " ", "\n", ": ", "- ", "&a ", "*a", "<<: ", "\t", "\x00", "\ud800", "---\n", "? ", "9" * 50]
PIECES = st.sampled_from(_YAML + _ODD + _OURS + _SPACED)
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@FUZZ
@given(st.text())
@example("%TAG !a! b\n--- !a!c d")
@example("a: !<tag:yaml.org,2002:int> 1")
def test_any_text_is_a_scenario_or_a_scenario_error(text: str) -> None:
    _holds(text)


@FUZZ
@given(st.lists(st.tuples(st.integers(0, len(FULL)), st.integers(0, 12), PIECES), min_size=1, max_size=4))
def test_any_change_to_a_scenario_is_a_scenario_or_a_scenario_error(changes: list[tuple[int, int, str]]) -> None:
    text = FULL
    for at, length, piece in changes:
        text = text[:at] + piece + text[at + length :]
    _holds(text)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["5 ms", "cam", "gw", "0..6"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["kind", "role", "uplink", "count", "a->b", "x", "target", "low"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
_TOP = [
    "name",
    "seed",
    "samples",
    "sites",
    "data",
    "model",
    "exits",
    "nodes",
    "links",
    "mqtt",
    "profiles",
    "radios",
    "tariffs",
]
_INNER = [
    "data.kind",
    "data.cameras",
    "model.edge",
    "model.training.epochs",
    "exits.local",
    "mqtt.version",
    "profiles.tiny",
]
_FLEET = [
    "nodes.cam",
    "nodes.cam.role",
    "nodes.cam.uplink",
    "nodes.gw.count",
    "nodes.cloud",
    "nodes.x",
    "links.cam->gw",
]
_LATE = ["links.gw->cam", "links.cam->gw.loss", "faults", "faults.0", "faults.0.kind", "faults.fog.at", "expect"]
_SWEEP = [
    "sweep",
    "sweep.grid",
    "sweep.grid.seed",
    "sweep.zip",
    "sweep.combinations.down",
    "sweep.random",
    "sweep.seeds",
]
PATHS = st.sampled_from(_TOP + _INNER + _FLEET + _LATE + _SWEEP)


@FUZZ
@given(st.lists(st.tuples(PATHS, VALUES), min_size=1, max_size=3))
def test_any_value_anywhere_is_a_scenario_or_a_scenario_error(changes: list[tuple[str, object]]) -> None:
    _holds(FULL, tuple(f"{path}={json.dumps(value)}" for path, value in changes))


@FUZZ
@given(st.text() | st.tuples(PATHS, st.text()).map("=".join))
def test_any_override_is_a_scenario_or_a_scenario_error(override: str) -> None:
    _holds(FULL, (override,))
