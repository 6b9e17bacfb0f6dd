"""What is delivered: the wheel, the pinned versions, the container files, the commands of the Makefile."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of the files in a wheel built of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path).namelist()


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel: list[str]) -> None:
    top = {name.split("/")[0] for name in wheel}
    assert {name for name in top if not name.endswith(".dist-info")} == {"sim", "brokers", "analysis"}


def test_the_wheel_holds_all_data_that_the_code_reads(wheel: list[str]) -> None:
    endings = {".yaml", ".html", ".css", ".js", ".svg", ".typed", ".c"}
    data = [path for path in Path(ROOT).glob("*/**/*") if path.suffix in endings]
    inside = {
        str(path.relative_to(ROOT))
        for path in data
        if path.relative_to(ROOT).parts[0] in ("sim", "brokers", "analysis")
    }
    assert {"sim/cli/starter.yaml", "sim/serve/static/index.html"} <= inside
    assert inside <= set(wheel)


def test_every_library_is_pinned() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines), "no local versions, no addresses"
    pinned = {canonical(line) for line in lines}
    wanted = [
        *PROJECT["dependencies"],
        *(text for extra in PROJECT["optional-dependencies"].values() for text in extra),
    ]
    assert {canonical(text) for text in wanted} <= pinned


def canonical(requirement: str) -> str:
    name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def compose() -> Any:
    return YAML(typ="safe", pure=True).load(ROOT / "docker-compose.yml")


def test_what_the_compose_file_mounts_is_there() -> None:
    assert "version" not in compose(), "obsolete, and compose v2 complains"
    for service in compose()["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source.startswith(("networks", "./runs", "./secrets")) or (ROOT / source).exists()


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_docker_compose_accepts_the_compose_file() -> None:
    ran = subprocess.run(["docker-compose", "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_image_gets_what_it_copies() -> None:
    shown = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY"):
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists()
                assert source in shown


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("target", ["setup", "run", "test", "lint", "bench", "report", "clean"])
def test_the_makefile_has_what_developers_type(target: str) -> None:
    ran = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
