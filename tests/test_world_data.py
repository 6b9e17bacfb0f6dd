"""Every kind of data through a whole run: any number of views and classes makes its own network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from world_kit import SCENARIOS

from sim import world
from sim.cli.app import app

RNG = np.random.default_rng(3)
VIEWS = 2


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGFLEET_CACHE", str(tmp_path / "cache"))


def pictures(folder: Path) -> str:
    for split, kind, number in (("train", "cat", 3), ("train", "dog", 3), ("test", "cat", 2), ("test", "dog", 1)):
        for thing in range(number):
            place = folder / split / kind / str(thing)
            place.mkdir(parents=True)
            for camera in range(VIEWS):
                pixels = RNG.integers(1, 255, (20, 20, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"camera{camera}.png")
    return f"{{kind: folder, path: {folder}}}"


def views(path: Path) -> str:
    images = RNG.integers(1, 255, (12, VIEWS, 3, 32, 32), np.uint8)
    labels = np.repeat(np.arange(12)[:, None] % 3, VIEWS, axis=1)
    np.savez(path, X=images, y=labels, split=np.array(["train"] * 8 + ["test"] * 4))
    return f"{{kind: mvmc, path: {path}}}"


def whole(path: Path) -> str:
    np.savez(path, X=RNG.integers(0, 255, (20, 12, 16), np.uint8), y=np.arange(20) % 5)
    return f"{{kind: partition, source: {path}, grid: 1x2}}"


def own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (folder / "my_data_of_a_test.py").write_text(
        "import numpy as np\nfrom sim.data import Dataset\n"
        "def load(*, cameras, base):\n"
        "    images = np.full((6, cameras, 3, 32, 32), 9, np.uint8)\n"
        "    return Dataset('mine', images, np.arange(6) % 2, np.ones((6, cameras), bool), np.arange(3),\n"
        "                   np.arange(3, 6), ('a', 'b'))\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    return "my_data_of_a_test:load"


@pytest.mark.parametrize(
    ("kind", "samples", "classes"),
    [("multiview", 5, 3), ("mvmc", 4, 3), ("folder", 3, 2), ("partition", 4, 5), ("custom", 3, 2)],
)
def test_a_run_on_every_kind_of_data(
    kind: str, samples: int, classes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers: dict[str, Callable[[], str]] = {
        "multiview": lambda: "{kind: multiview, train: 12, test: 5}",
        "mvmc": lambda: views(tmp_path / "views.npz"),
        "folder": lambda: pictures(tmp_path / "pictures"),
        "partition": lambda: whole(tmp_path / "images.npz"),
        "custom": lambda: own(tmp_path, monkeypatch),
    }
    overrides = [f"data={makers[kind]()}", f"nodes.cam.count={VIEWS}", "model.training.epochs=1"]
    loaded = world.load(SCENARIOS / "digits.yaml", overrides)
    summary: dict[str, Any] = world.simulate(loaded, mode="virtual", out=tmp_path / "runs").summary
    assert summary["samples"]["decided"] == samples
    assert len(summary["data"]["classes"]) == classes
    assert summary["bytes"]["per_device_per_sample"]["payload"] == pytest.approx(summary["eq1"]["bytes"])


def test_the_digits_run(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    loaded = world.load(SCENARIOS / "digits.yaml", ["model.training.epochs=1", "samples=20"])
    summary = world.simulate(loaded, mode="virtual", out=tmp_path).summary
    assert (summary["samples"]["decided"], len(summary["data"]["classes"])) == (20, 10)


def test_bad_data_end_the_command_with_a_clear_error(tmp_path: Path) -> None:
    views(tmp_path / "views.npz")
    (tmp_path / "half.npz").write_bytes((tmp_path / "views.npz").read_bytes()[:20_000])
    override = f"data={{kind: mvmc, path: {tmp_path / 'half.npz'}}}"
    result = CliRunner().invoke(app, ["run", str(SCENARIOS / "digits.yaml"), "--mode", "virtual", "--set", override])
    assert result.exit_code == 4
    assert "half.npz: is no .npz file, or a truncated one" in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("tiers", [("cloud",), ("device", "cloud"), ("edge",)])
def test_each_tier_has_its_own_precision(tiers: tuple[str, ...], tmp_path: Path) -> None:
    small = ["data.train=24", "data.test=6", "samples=6", "model.training.epochs=1"]
    mixed = [f"model.{tier}.precision=float" for tier in tiers]
    loaded = world.load(SCENARIOS / "topology_e.yaml", [*small, *mixed])
    result = world.simulate(loaded, mode="virtual", out=tmp_path)
    assert result.summary["samples"]["decided"] == 6
    assert result.summary["bytes"]["per_device_per_sample"]["payload"] == pytest.approx(result.summary["eq1"]["bytes"])
    network = world.prepare(loaded).network
    assert {tier for tier in ("device", "edge", "cloud") if network.arrays[f"{tier}.0.kernel"].max() > 1} == set(tiers)
