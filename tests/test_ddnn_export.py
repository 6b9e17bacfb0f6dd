"""The device section in C gives bit for bit what the simulation gives."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ddnn_kit import DATA, SHAPES

from sim.ddnn import NetworkSpec, Section, TrainSpec, obtain
from sim.ddnn.export_c import export
from sim.errors import UsageError


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize("name", ["default", "two blocks", "cloud only"])
def test_c_gives_the_same_bits(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGFLEET_CACHE", str(tmp_path / "cache"))
    network = obtain(SHAPES[name], TrainSpec(epochs=2), DATA)
    exported = export(network, 2, tmp_path / "c")
    library = tmp_path / "device_section.so"
    flags = ["-O2", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror", "-std=c11", "-shared", "-fPIC"]
    subprocess.run(["gcc", *flags, "-o", library, exported.source], check=True, timeout=60)
    run = ctypes.CDLL(str(library)).device_section
    inference = network.inference(DATA)
    rng = np.random.default_rng(0)
    images = [inference.raw(index, 2) for index in range(30)]
    images += [rng.integers(0, 256, 3072).astype(np.uint8).tobytes() for _ in range(20)]
    for image in images:
        features = ctypes.create_string_buffer(inference.feature_bytes)
        scores = ctypes.create_string_buffer(max(inference.score_bytes, 4))
        run(image, features, scores)
        expected = inference.from_raw(image, 2)
        assert features.raw == expected.features
        assert scores.raw[: inference.score_bytes] == expected.scores


def test_the_default_section_takes_less_than_two_kilobytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGFLEET_CACHE", str(tmp_path / "cache"))
    spec = NetworkSpec(cameras=4, device=Section(filters=4), cloud=Section(2, 1))
    exported = export(obtain(spec, TrainSpec(epochs=1), DATA), 0, tmp_path)
    assert exported.parameters == {
        "KERNELS": 14, "SCALES": 16, "SHIFTS": 16, "HEAD": 384, "HEAD_SCALES": 12, "HEAD_SHIFTS": 12
    }  # fmt: skip
    assert exported.parameter_bytes == 454 < 2048
    assert exported.working_bytes == 0
    assert "454 bytes" in exported.header.read_text()


def test_what_cannot_be_exported_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOGFLEET_CACHE", str(tmp_path / "cache"))
    network = obtain(SHAPES["default"], TrainSpec(epochs=1), DATA)
    with pytest.raises(UsageError, match="cameras 0 to 3"):
        export(network, 4, tmp_path)
    floating = replace(network, spec=SHAPES["float all"])
    with pytest.raises(UsageError, match="binary"):
        export(floating, 0, tmp_path)
