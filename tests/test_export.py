"""`fogfleet export`: what leaves the simulation does what the simulation does."""

from __future__ import annotations

import ctypes
import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from ddnn_kit import DATA, SHAPES
from world_kit import SCENARIOS, SMALL

from sim import world
from sim.cli.app import app
from sim.ddnn import TrainSpec, exact, obtain
from sim.ddnn.sections import Sections
from sim.errors import UsageError


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOGFLEET_CACHE", str(tmp_path_factory.mktemp("export")))
        yield


def export(folder: Path, *arguments: str, scenario: str = "six_cameras") -> Any:
    sets = [part for one in SMALL for part in ("--set", one)]
    return CliRunner().invoke(
        app, ["export", str(SCENARIOS / f"{scenario}.yaml"), *sets, *arguments, "-o", str(folder)]
    )


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
def test_the_command_the_compiler_and_the_camera_agree_to_the_bit(tmp_path: Path) -> None:
    result = export(tmp_path, "--section", "device", "--format", "c", "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    prepared = world.prepare(world.load(SCENARIOS / "six_cameras.yaml", SMALL))
    inference = prepared.network.inference(prepared.dataset)
    assert told["weights_sha256"] == prepared.network.sha256
    assert [row["node"] for row in told["nodes"]] == [camera.name for camera in prepared.plan.cameras]
    for camera, row in enumerate(told["nodes"]):
        assert row["parameter_bytes"] == sum(row["parameters"].values()) < 2048
        library = tmp_path / f"{camera}.so"
        compiled = [*shlex.split(row["compile"].replace(" -c ", " -shared -fPIC ")), "-o", str(library)]
        subprocess.run(compiled, check=True, timeout=120)
        run = ctypes.CDLL(str(library)).device_section
        for sample in prepared.dataset.test[:12].tolist():
            features = ctypes.create_string_buffer(row["feature_bytes"])
            scores = ctypes.create_string_buffer(row["score_bytes"])
            run(inference.raw(sample, camera), features, scores)
            expected = inference.device(sample, camera)
            assert (features.raw, scores.raw) == (expected.features, expected.scores)


def test_the_command_says_what_it_wrote_and_what_that_takes(tmp_path: Path) -> None:
    said = export(tmp_path, "--node", "cam.2").stdout
    assert [folder.name for folder in tmp_path.iterdir()] == ["cam.2"]
    assert "parameters  454 bytes a camera" in said
    assert "working     0 bytes" in said
    assert f"gcc -std=c11 -O2 -ffp-contract=off -c {tmp_path / 'cam.2' / 'device_section.c'}" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--section", "cloud"), "write the cloud section with --format onnx"),
        (("--format", "onnx"), "model.device is binary: write --format c"),
        (("--format", "onnx", "--section", "cloud"), "model.cloud is binary: set model.cloud.precision=float"),
        (("--format", "onnx", "--section", "edge"), "no edge section"),
        (("--set", "model.device.precision=float"), "'float': write --format onnx"),
        (("--node", "cam.6"), "there are cam.0, cam.1"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_the_way_that_works(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = export(tmp_path, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_fleet_without_gateways_has_no_edge_section(tmp_path: Path) -> None:
    result = export(tmp_path, "--section", "edge", "--format", "onnx", scenario="topology_a")
    assert result.exit_code == 2
    assert "no node of this scenario has the edge section" in result.stderr


@pytest.mark.parametrize("missing", ["mask", "zero"])
def test_onnx_computes_what_the_simulation_computes(missing: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    from sim.ddnn import export_onnx

    training = TrainSpec(epochs=2, missing=missing)
    network = obtain(SHAPES["float all"], training, DATA)
    spec, few = network.spec, DATA.test[:24]
    sections = Sections(spec, network.arrays, zero_filled=training.zero_filled)
    scores, features = sections.devices(DATA.images[few])
    maps = exact.unpack(features.swapaxes(0, 1), spec.device_map)
    there = np.random.default_rng(1).random((len(few), spec.cameras)) < 0.7
    there[0] = False
    above = sections.upstream(maps, there)
    assert above.edge_maps is not None and above.edge_scores is not None

    found = _run(export_onnx.export(network, "device", 2, tmp_path), image=DATA.images[few, 2])
    assert (found["features"] == _by_filter(maps[2])).mean() > 0.999
    assert found["scores"] == pytest.approx(scores[:, 2], abs=2e-2)
    inputs = {"maps": maps.transpose(1, 0, 4, 2, 3), "takes_part": there.astype(np.float32)}
    found = _run(export_onnx.export(network, "edge", 0, tmp_path), **inputs)
    assert (found["features"] == _by_filter(above.edge_maps[0])).mean() > 0.999
    assert sections.judge("edge", found["scores"]).predicted.tolist() == (
        sections.judge("edge", above.edge_scores[:, 0]).predicted.tolist()
    )
    gateways = above.edge_maps.transpose(1, 0, 4, 2, 3).astype(np.float32)
    inputs = {"maps": gateways, "takes_part": above.known.astype(np.float32)}
    found = _run(export_onnx.export(network, "cloud", 0, tmp_path), **inputs)
    assert found["scores"] == pytest.approx(above.cloud_scores, abs=1e-3)


def test_onnx_has_only_the_sections_that_there_are() -> None:
    from sim.ddnn import export_onnx

    network = obtain(SHAPES["float cloud"], TrainSpec(epochs=1), DATA)
    with pytest.raises(UsageError, match="no edge section"):
        export_onnx.export(network, "edge", 0, Path("nowhere"))
    with pytest.raises(UsageError, match="0 to 0"):
        export_onnx.export(network, "cloud", 1, Path("nowhere"))


def _by_filter(maps: np.ndarray) -> np.ndarray:
    return maps.transpose(0, 3, 1, 2)


def _run(path: Path, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of a model by name, by ONNX's own reference evaluator."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(path)
    onnx.checker.check_model(model)
    names = [output.name for output in model.graph.output]
    return dict(zip(names, ReferenceEvaluator(model).run(names, inputs), strict=True))
