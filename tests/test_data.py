"""The data set itself and the generated scenes: checks, determinism, what the cameras see."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.cache import cache_dir, publish
from sim.data import Dataset, load
from sim.data.multiview import optics
from sim.data.multiview.generate import generate
from sim.data.multiview.rig import rig
from sim.data.multiview.scene import classes_of, scene_draws
from sim.errors import DataError


@dataclass(frozen=True)
class Scenes:
    """The scenario's `data: {kind: multiview}`."""

    seed: int = 0
    train: int = 24
    test: int = 12
    cameras: int | None = None
    kind: str = "multiview"


@pytest.fixture(scope="module")
def small() -> Dataset:
    return generate(seed=0, train=40, test=20, cameras=6)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FOGFLEET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def plain(samples: int = 4, **changes: Any) -> Dataset:
    parts: dict[str, Any] = {
        "name": "plain",
        "images": np.full((samples, 2, 3, 32, 32), 7, dtype=np.uint8),
        "labels": np.arange(samples) % 3,
        "present": np.ones((samples, 2), dtype=np.bool_),
        "train": np.arange(samples // 2),
        "test": np.arange(samples // 2, samples),
        "classes": ("car", "bus", "person"),
    }
    return Dataset(**{**parts, **changes})


def test_a_sound_data_set_is_frozen() -> None:
    data = plain()
    assert (len(data), data.cameras) == (4, 2)
    with pytest.raises(ValueError, match="read-only"):
        data.images[0] = 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((4, 2, 3, 16, 16), dtype=np.uint8)}, r"needed is uint8 \(samples, cameras, 3, 32, 32\)"),
        ({"images": np.zeros((4, 2, 3, 32, 32))}, "images are float64"),
        ({"images": np.zeros((0, 2, 3, 32, 32), dtype=np.uint8)}, "no image in it"),
        ({"labels": np.zeros(3, dtype=np.int64)}, r"needed is int64 \(4,\)"),
        ({"labels": np.array([0, 1, 2, 3])}, "sample 3 has label 3"),
        ({"labels": np.array([0, -1, 2, 2])}, "sample 1 has label -1"),
        ({"present": np.array([[1, 1], [0, 0], [1, 1], [1, 1]], dtype=bool)}, "no camera sees sample 1"),
        ({"present": np.array([[1, 1], [1, 0], [1, 1], [1, 1]], dtype=bool)}, "sample 1 is absent from camera 1"),
        ({"train": np.array([0, 4])}, r"outside 0\.\.3"),
        ({"train": np.array([0, 2])}, "twice"),
        ({"train": np.array([0.0, 1.0])}, "int64 indices"),
        ({"classes": ("car", "car", "bus")}, "different names"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        plain(**changes)


def test_the_digest_covers_everything_but_the_name() -> None:
    pixel = np.full((4, 2, 3, 32, 32), 7, dtype=np.uint8)
    pixel[3, 1, 2, 31, 31] = 8
    others: list[dict[str, Any]] = [
        {"images": pixel},
        {"labels": np.array([0, 1, 2, 1])},
        {"train": np.array([1, 0])},
        {"train": np.array([0])},
        {"classes": ("car", "bus", "dog")},
    ]
    digests = {plain(**changes).sha256 for changes in [{}, *others]}
    assert len(digests) == 6
    assert plain(name="other").sha256 == plain().sha256


def test_scenes_are_balanced_like_a_street_and_absent_views_are_empty(small: Dataset) -> None:
    kinds = classes_of(scene_draws(0, 0, range(2000), 0, 1))
    assert np.bincount(kinds) / 2000 == pytest.approx([0.44, 0.16, 0.40], abs=0.03)
    assert small.present.any(axis=1).all()
    assert not small.images[~small.present].any()
    assert (small.images[small.present].reshape(-1, 3072).std(axis=1) > 4).all()
    assert 0.3 < small.present.mean() < 0.9


def test_same_bytes_in_another_process(small: Dataset) -> None:
    code = "from sim.data.multiview.generate import generate as g; print(g(seed=0,train=40,test=20,cameras=6).sha256)"
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        assert done.stdout.strip() == small.sha256


@settings(max_examples=6, deadline=None)
@given(train=st.integers(1, 9), test=st.integers(1, 9))
def test_a_sample_does_not_depend_on_the_sizes(train: int, test: int) -> None:
    whole, part = generate(seed=3, train=9, test=9, cameras=3), generate(seed=3, train=train, test=test, cameras=3)
    for mine, other in ((part.train, whole.train[:train]), (part.test, whole.test[:test])):
        assert np.array_equal(part.images[mine], whole.images[other])
        assert np.array_equal(part.labels[mine], whole.labels[other])
        assert np.array_equal(part.present[mine], whole.present[other])


def test_batches_do_not_show(monkeypatch: pytest.MonkeyPatch, small: Dataset) -> None:
    monkeypatch.setattr("sim.data.multiview.generate.BATCH", 7)
    monkeypatch.setattr("sim.data.multiview.render.BLOCK", 3)
    assert generate(seed=0, train=40, test=20, cameras=6).sha256 == small.sha256


def test_seeds_and_halves_differ(small: Dataset) -> None:
    other = generate(seed=1, train=20, test=1, cameras=6)
    assert not np.array_equal(other.images[:20], small.images[:20])
    assert not np.array_equal(small.images[small.train[:20]], small.images[small.test])


@pytest.mark.parametrize("cameras", [1, 2, 9])
def test_any_number_of_cameras(cameras: int) -> None:
    data = generate(seed=0, train=12, test=4, cameras=cameras)
    assert data.images.shape == (16, cameras, 3, 32, 32)
    assert data.present.any(axis=1).all()


def test_a_camera_sees_the_same_beside_more_cameras(small: Dataset) -> None:
    more = generate(seed=0, train=40, test=1, cameras=8)
    both = small.present[small.train, :6].any(axis=1)  # none was drawn again in the smaller fleet
    same = (more.images[more.train, :6] == small.images[small.train]).all(axis=(1, 2, 3, 4))
    assert same[both].mean() > 0.9
    assert np.array_equal(rig(8).place[:6], rig(6).place)


def test_blur_keeps_the_light_and_spreads_a_point_as_asked() -> None:
    point = np.zeros((3, 3, 32, 32), dtype=np.float32)
    point[:, :, 16, 16] = 1
    asked = np.array([0.0, 1.3, 10.5])
    row = optics.smooth(point, asked, axis=3)[:, 0, 16]
    place = np.arange(32) - 16
    assert row.sum(axis=1) == pytest.approx(1)
    assert (row * place**2).sum(axis=1) == pytest.approx(asked, abs=1e-4)


def test_generated_data_come_from_the_cache_the_second_time(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(Scenes(), cameras=3, base=Path())
    assert [p.suffix for p in (cache / "data").iterdir()] == [".npz"]

    def never(**_: int) -> Dataset:
        raise AssertionError("generated again")

    monkeypatch.setattr("sim.data.multiview.cached.generate", never)
    assert load(Scenes(), cameras=3, base=Path()).sha256 == first.sha256
    with pytest.raises(AssertionError, match="generated again"):
        load(replace(Scenes(), seed=1), cameras=3, base=Path())


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half", None])
def test_a_damaged_cache_file_is_made_again(cache: Path, damage: bytes | None) -> None:
    first = load(Scenes(), cameras=2, base=Path())
    (file,) = (cache / "data").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert load(Scenes(), cameras=2, base=Path()).sha256 == first.sha256
    assert file.read_bytes()[:2] == b"PK" and len(file.read_bytes()) == len(whole)


def test_without_a_cache_folder_data_are_generated_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FOGFLEET_CACHE", str(tmp_path / "file" / "cache"))
    assert len(load(Scenes(train=2, test=1), cameras=1, base=Path())) == 3


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FOGFLEET_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "fogfleet"
    assert cache_dir("weights").is_dir()


def test_publish_is_all_or_nothing(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.npz"
    with publish(target) as path:
        path.write_text("old")
    with pytest.raises(KeyboardInterrupt), publish(target) as path:
        path.write_text("half")
        raise KeyboardInterrupt
    assert target.read_text() == "old"
    assert list(target.parent.iterdir()) == [target]
