"""Fault kinds of other packages: built, installed and used; broken, doubled and left out ones."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner
from fault_kit import TEXT, decisions, run

from sim import scenario
from sim.cli.app import app
from sim.errors import ScenarioError, SetupError
from sim.faults import Kinds, known

GUIDE = (Path(__file__).parent.parent / "docs" / "faults.md").read_text(encoding="utf-8")
NETWORK = ("data.train=48", "data.test=12")


def block(language: str) -> str:
    """The one code block of the guide in this language that belongs to the package."""
    found = re.search(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment, in which FogFleet is and the guide's own package, built and installed."""
    source, target = tmp_path_factory.mktemp("fogfleet-jam"), tmp_path_factory.mktemp("environment")
    venv.create(target, symlinks=True)
    python = target / "bin" / "python"
    (packages,) = target.glob("lib/python*/site-packages")
    root = Path(__file__).parent.parent
    (packages / "fogfleet-here.pth").write_text(f"{root}\n{sysconfig.get_path('purelib')}\n")
    (source / "pyproject.toml").write_text(
        block("toml") + '\n[tool.hatch.build.targets.wheel]\nonly-include = ["jam.py"]\n'
    )
    (source / "jam.py").write_text(block("python"))
    command = ["-m", "pip", "--python", str(python), "install", "-qq", "--no-deps", "--no-build-isolation", str(source)]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    assert (packages / "jam.py").is_file()
    return python


def fogfleet(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in that environment."""
    code = "import sys; from sim.cli import main; sys.argv[0] = 'fogfleet'; main()"
    return subprocess.run(
        [str(python), "-c", code, *arguments], capture_output=True, text=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )  # fmt: skip


def test_the_package_of_the_guide_is_about_twenty_lines() -> None:
    lines = [line for line in block("python").splitlines() if line.strip()]
    assert len(lines) <= 22
    assert all("import" not in line or "sim.plugin" in line or "typing" in line for line in lines)


def test_an_installed_package_is_listed_validated_in_the_schema_run_and_named(fresh: Path, tmp_path: Path) -> None:
    listed = fogfleet(fresh, "faults", "jam")
    assert listed.returncode == 0 and "How much later" in listed.stdout, listed.stderr
    assert '"fault-jam"' in fogfleet(fresh, "schema").stdout
    fine, wrong = tmp_path / "fine.yaml", tmp_path / "wrong.yaml"
    fine.write_text(f"{TEXT}faults: [{{kind: jam, target: cam->gw, wait: 20 ms}}]\n")
    wrong.write_text(f"{TEXT}faults: [{{kind: jam, target: cam->gw, weight: 20 ms}}]\n")
    answer = fogfleet(fresh, "validate", str(wrong))
    assert answer.returncode == 3 and "did you mean 'wait'" in answer.stderr
    ran = fogfleet(fresh, "run", str(fine), "--mode", "virtual", "-o", str(tmp_path / "runs"))
    assert ran.returncode == 0, ran.stderr
    record = json.loads(next((tmp_path / "runs").rglob("run.json")).read_text())
    assert record["plugins"] == {"jam": "fogfleet-jam 0.1.0"}
    without = fogfleet(fresh, "--no-plugins", "validate", str(fine))
    assert without.returncode == 3 and "no fault kind 'jam'" in without.stderr


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the guide's module, current for the test."""
    (tmp_path / "jam_here.py").write_text(block("python"))
    (tmp_path / "broken_here.py").write_text("raise RuntimeError('out of paint')\n")
    (tmp_path / "lazy_here.py").write_text(
        "from sim.plugin import MessageFault\nclass Lazy(MessageFault):\n    example = ''\n    kind: str = 'lazy'\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("jam_here", "broken_here", "lazy_here"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("module")
def test_a_kind_by_its_import_name() -> None:
    wanted = scenario.loads(
        f"{TEXT}faults: [{{kind: 'jam_here:Jam', target: cam->gw, wait: 20 ms}}]\n", fault_kinds=known(plugins=False)
    )
    outcome = run(wanted=wanted)
    assert outcome.log.tally(fate="lost:malformed").messages > 5
    assert decisions(outcome) == decisions(run(wanted=wanted)) != decisions(run())


def test_a_kind_by_its_import_name_is_told_validated_and_named_in_the_record(module: Path) -> None:
    told = CliRunner().invoke(app, ["faults", "jam_here:Jam"])
    assert told.exit_code == 0 and "How much later" in told.output
    path = module / "jammed.yaml"
    path.write_text(f"{TEXT}faults: [{{kind: 'jam_here:Jam', target: cam->gw}}]\n")
    ran = CliRunner().invoke(app, ["run", str(path), "--mode", "virtual", "-o", "runs"])
    assert ran.exit_code == 0, ran.output
    record = json.loads(next((module / "runs").rglob("run.json")).read_text())
    assert record["plugins"] == {"jam_here:Jam": "jam_here.py, of no distribution"}


@pytest.mark.usefixtures("module")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken_here:Jam", "RuntimeError: out of paint"),
        ("jam_here:Jelly", "Jelly"),
        ("lazy_here:Lazy", "without a default"),
        ("nowhere_at_all:Jam", "No module named"),
    ],
)
def test_an_import_name_that_cannot_be_used_says_why(name: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        scenario.loads(f"{TEXT}faults: [{{kind: '{name}', target: cam}}]\n", fault_kinds=known(plugins=False))


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "fogfleet.faults")


@pytest.mark.usefixtures("module")
def test_a_broken_plug_in_is_reported_and_isolated() -> None:
    kinds = Kinds([point("broken", "broken_here:Jam"), point("jam", "jam_here:Jam")])
    assert "jam" in kinds and "crash" in kinds
    assert list(kinds.broken.values()) == ["RuntimeError: out of paint"]


@pytest.mark.usefixtures("module")
def test_two_of_one_name_are_an_error_that_names_both(module: Path) -> None:
    (module / "second_here.py").write_text(block("python"))
    with pytest.raises(SetupError, match=r"(?s)'jam'.*jam_here.*second_here"):
        Kinds([point("a", "jam_here:Jam"), point("b", "second_here:Jam")])
    (module / "third_here.py").write_text(block("python").replace('["jam"]', '["crash"]'))
    with pytest.raises(SetupError, match=r"'crash': fogfleet and third_here"):
        Kinds([point("c", "third_here:Jam")])
