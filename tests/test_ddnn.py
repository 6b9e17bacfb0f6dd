"""The distributed network: results that depend on nothing but bytes, in every shape that a scenario can ask for."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ddnn_kit import DATA, SHAPES, SMALL
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.data import Dataset
from sim.ddnn import (
    Inference,
    NetworkSpec,
    Section,
    TrainSpec,
    exact,
    find_threshold,
    obtain,
    without,
)
from sim.ddnn.calibrate import fit
from sim.ddnn.spec import EXITS, flops, memory_bits
from sim.errors import UsageError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("FOGFLEET_CACHE", str(tmp_path))
    yield


def ready(spec: NetworkSpec, training: TrainSpec | None = None, data: Dataset = DATA) -> Inference:
    return obtain(spec, training or TrainSpec(epochs=2), data).inference(data)


def follow(inference: Inference, index: int, working: set[int]) -> dict[str, list[tuple[int, float]]]:
    """Take one sample through the network call by call, as the nodes do."""
    spec = inference.spec
    out = {camera: inference.device(index, camera) for camera in working}
    out = {camera: sent for camera, sent in out.items() if not sent.absent}
    seen: dict[str, list[tuple[int, float]]] = {}
    up = {camera: sent.features for camera, sent in out.items()}
    if "local" in spec.exits:
        verdicts = [
            inference.local(g, {c: out[c].scores for c in group if c in out}) for g, group in enumerate(spec.groups)
        ]
        seen["local"] = [(v.predicted, v.entropy) for v in verdicts]
    if spec.edge:
        pairs = [inference.edge(g, {c: up[c] for c in group if c in up}) for g, group in enumerate(spec.groups)]
        up = {g: features for g, (_, features) in enumerate(pairs) if features}
        if "edge" in spec.exits:
            seen["edge"] = [(v.predicted, v.entropy) for v, _ in pairs]
    cloud = inference.cloud(up)
    seen["cloud"] = [(cloud.predicted, cloud.entropy)]
    return seen


@pytest.mark.parametrize("training", [TrainSpec(epochs=2), TrainSpec(epochs=2, missing="zero")], ids=["mask", "zero"])
@pytest.mark.parametrize("spec", SHAPES.values(), ids=SHAPES.keys())
def test_calls_one_by_one_agree_with_tables_to_the_bit(spec: NetworkSpec, training: TrainSpec) -> None:
    inference = ready(spec, training)
    fresh = Inference(inference.sections, DATA, inference.validation)
    subsets = [{0, 1, 2, 3}, {1}, {0, 3}, set[int]()]
    table = inference.subset_table(DATA.test, subsets)
    whole = inference.table(DATA.test)
    assert (whole.cloud_entropy == table.cloud_entropy[0]).all()
    for (s, subset), (row, index) in itertools.product(enumerate(subsets), enumerate(DATA.test[:8].tolist())):
        seen = follow(fresh, index, subset)
        assert seen["cloud"] == [(table.cloud_predicted[s, row], table.cloud_entropy[s, row])]
        if table.local_predicted is not None and table.local_entropy is not None:
            assert seen["local"] == [*zip(table.local_predicted[s, row], table.local_entropy[s, row], strict=True)]
        if table.edge_predicted is not None and table.edge_entropy is not None:
            assert seen["edge"] == [*zip(table.edge_predicted[s, row], table.edge_entropy[s, row], strict=True)]


@given(seed=st.integers(0, 10_000), count=st.integers(1, 9))
@settings(max_examples=15, deadline=None)
def test_a_result_never_depends_on_its_batch(seed: int, count: int) -> None:
    for name in ("two blocks", "float all"):
        sections = _sections(name)
        images = np.random.default_rng(seed).integers(0, 256, (count, 4, 3, 32, 32)).astype(np.uint8)
        scores, features = sections.devices(images)
        maps = exact.unpack(features.swapaxes(0, 1), sections.spec.device_map)
        everyone = np.ones((count, 4), np.bool_)
        together = sections.upstream(maps, everyone).cloud_scores
        for row in range(count):
            one_scores, one_features = sections.devices(images[row : row + 1])
            assert one_scores[0].tobytes() == scores[row].tobytes()
            assert one_features[0].tobytes() == features[row].tobytes()
            alone = sections.upstream(maps[:, row : row + 1], everyone[:1]).cloud_scores
            assert alone[0].tobytes() == together[row].tobytes()


_built: dict[str, Inference] = {}


def _sections(name: str):  # type: ignore[no-untyped-def]
    if name not in _built:
        _built[name] = ready(SHAPES[name])
    return _built[name].sections


def test_features_survive_packing_and_the_raw_image_gives_the_same() -> None:
    inference = ready(SHAPES["two blocks"])
    maps = np.where(np.random.default_rng(0).random((2, 8, 8, 3)) < 0.5, np.float32(-1), np.float32(1))
    assert (exact.unpack(exact.pack(maps), (3, 8, 8)) == maps).all()
    for index, camera in itertools.product(DATA.test[:4].tolist(), range(4)):
        assert inference.from_raw(inference.raw(index, camera), camera) == inference.device(index, camera)
        assert len(inference.device(index, camera).features) == inference.feature_bytes == 24
        assert inference.device(index, camera).absent == (not DATA.present[index, camera])


def test_exact_convolution_is_that_of_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    maps = rng.integers(0, 256, (1, 3, 9, 8, 5)).astype(np.float32)
    kernel = rng.choice([-1.0, 1.0], (4, 5, 3, 3)).astype(np.float32)
    whole = np.ascontiguousarray(kernel.transpose(2, 3, 1, 0).reshape(1, 45, 4))
    for stride in (1, 2):
        ours = exact.pool(exact.convolve(maps, whole), stride)[0].transpose(0, 3, 1, 2)
        sums = torch.nn.functional.conv2d(torch.tensor(maps[0].transpose(0, 3, 1, 2)), torch.tensor(kernel), padding=1)
        assert (ours == torch.nn.functional.max_pool2d(sums, 3, stride, 1).numpy()).all()


def test_the_folded_network_is_the_trained_one() -> None:
    """Scores of plain arrays equal those of the torch model up to rounding, except where a sign falls on its edge."""
    torch = pytest.importorskip("torch")
    from sim.ddnn import train
    from sim.ddnn.sections import Sections

    spec, training = replace(SHAPES["two edges"], device=Section(2, 2, "float")), TrainSpec(epochs=3)
    model = train.build(spec, training)
    train.fit(model, training, DATA, None)
    one = {f"temperature.{name}": np.ones((), np.float32) for name in EXITS}
    arrays = {**train.fold(model), **one, "prior": np.zeros((), np.int32)}
    sections = Sections(spec, arrays, zero_filled=False)
    images, _, present = train.tensors(DATA, DATA.test)
    model.eval()
    with torch.no_grad():
        theirs = model(images, present, torch.ones_like(present)).scores
    scores, features = sections.devices(DATA.images[DATA.test])
    seen = DATA.present[DATA.test]
    assert np.isclose(scores, theirs["device"].numpy(), atol=1e-3)[seen].mean() > 0.95
    out = sections.upstream(exact.unpack(features.swapaxes(0, 1), spec.device_map), seen)
    assert out.edge_scores is not None
    assert np.isclose(out.edge_scores, theirs["edge"].numpy(), atol=1e-3)[out.known].mean() > 0.8
    assert np.isclose(out.cloud_scores, theirs["cloud"][:, 0].numpy(), atol=1e-3).mean() > 0.7


def test_entropy_is_that_of_the_formula() -> None:
    scores = np.random.default_rng(2).normal(0, 4, (500, 5)).astype(np.float32)
    p = np.exp(scores.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    assert np.allclose(exact.entropy(scores), -(p * np.log(p)).sum(axis=1) / math.log(5), atol=1e-14)
    assert exact.entropy(np.zeros((1, 3), np.float32))[0] == 1.0
    assert exact.entropy(np.array([[0, 500, 0]], np.float32))[0] < 1e-100


def test_nothing_received_means_no_confidence_and_the_most_frequent_class() -> None:
    inference = ready(SHAPES["default"])
    prior = int(np.bincount(DATA.labels[DATA.train]).argmax())
    for verdict in (inference.local(0, {}), inference.cloud({}), inference.local(0, {2: b""})):
        assert (verdict.predicted, verdict.entropy) == (prior, 1.0)


def test_scores_that_are_no_numbers_take_no_part() -> None:
    inference = ready(SHAPES["default"])
    good = np.array([1, 2, 5], "<f4").tobytes()
    bad = np.array([1, np.nan, np.inf], "<f4").tobytes()
    assert inference.local(0, {0: good, 1: bad}) == inference.local(0, {0: good})
    assert inference.verdict(bad).entropy == 1.0


def test_wrong_bytes_and_wrong_senders_are_refused() -> None:
    inference = ready(SHAPES["default"])
    with pytest.raises(UsageError, match="13 bytes"):
        inference.local(0, {0: b"x" * 13})
    with pytest.raises(UsageError, match="possible here"):
        inference.cloud({9: b"x" * 64})


def test_prefetched_answers_are_the_same_and_save_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("default", "two edges"):
        inference = ready(SHAPES[name])
        fresh = Inference(inference.sections, DATA, inference.validation)
        inference.prefetch(DATA.test)
        for index in DATA.test.tolist():
            assert follow(inference, index, {0, 1, 2, 3}) == follow(fresh, index, {0, 1, 2, 3})
        inference.prefetch(DATA.test, down={1, 3})
        for index in DATA.test.tolist():
            assert follow(inference, index, {0, 2}) == follow(fresh, index, {0, 2})
    inference = ready(SHAPES["default"])
    inference.prefetch(DATA.test)
    inference.prefetch(DATA.test, down={2})
    monkeypatch.setattr(inference.sections, "cloud", None)
    monkeypatch.setattr(inference.sections, "local", None)
    follow(inference, int(DATA.test[0]), {0, 1, 2, 3})
    follow(inference, int(DATA.test[0]), {0, 1, 3})


def test_same_key_same_weights_and_damage_is_noticed() -> None:
    spec, training = SHAPES["default"], TrainSpec(epochs=2, seed=3)
    first = obtain(spec, training, DATA)
    again = obtain(spec, training, DATA, retrain=True)
    stored = obtain(spec, training, DATA)
    assert not first.from_cache and not again.from_cache and stored.from_cache
    assert first.sha256 == again.sha256 == stored.sha256
    assert obtain(spec, replace(training, seed=4), DATA).sha256 != first.sha256
    content = bytearray(first.path.read_bytes())
    for damaged in (content[:-7], content[:-1] + bytes([content[-1] ^ 1]), b""):
        first.path.write_bytes(damaged)
        told: list[str] = []
        mended = obtain(spec, training, DATA, notice=told.append)
        assert "damaged" in told[0] and mended.sha256 == first.sha256 and not mended.from_cache


def test_training_leaves_the_settings_of_torch_alone() -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.initial_seed()
    obtain(SHAPES["default"], TrainSpec(epochs=1), DATA)
    assert before == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.initial_seed())


def test_progress_validation_and_early_stopping() -> None:
    calls: list[tuple[int, int, float]] = []
    training = TrainSpec(epochs=30, validation=0.3, patience=1, recipe="published")
    network = obtain(SHAPES["default"], training, DATA, progress=lambda *a: calls.append(a))
    assert [c[:2] for c in calls] == [(i + 1, 30) for i in range(len(network.history))]
    losses = [row["validation_loss"] for row in network.history]
    assert len(losses) < 30 and losses[-1] >= min(losses)
    assert len(network.validation) == 9 and np.isin(network.validation, DATA.train).all()
    assert network.inference(DATA).table(network.validation).split == "validation"


def test_calibration_finds_the_temperature() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, (4000, 3))
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    labels = (p.cumsum(axis=1) > rng.random((4000, 1))).argmax(axis=1)
    assert fit((scores * 3).astype(np.float32), labels) == pytest.approx(3, rel=0.1)
    inference = ready(SHAPES["two edges"], TrainSpec(epochs=2, validation=0.3, calibrate=True))
    assert inference.sections.judge("local", np.ones((1, 3), np.float32)).entropy[0] == 1.0


def test_a_camera_switched_off_changes_nothing_any_more() -> None:
    spec = without(SHAPES["default"], {1})
    inference = ready(spec)
    index = int(DATA.test[DATA.present[DATA.test, 1]][0])
    assert follow(inference, index, {0, 1, 2, 3}) == follow(inference, index, {0, 2, 3})
    with pytest.raises(UsageError, match="one must be left"):
        without(spec, {0, 2, 3})


@pytest.mark.parametrize("filters", [1, 4, 8])
def test_memory_is_that_of_the_paper(filters: int) -> None:
    assert memory_bits(NetworkSpec(cameras=6, device=Section(filters, 1))) == 795 * filters + 64
    assert memory_bits(NetworkSpec(cameras=6, device=Section(filters, 2))) == 228 * filters + 204


def test_flops_are_twice_the_multiplications() -> None:
    counted = flops(NetworkSpec(cameras=6))
    assert counted["device"] == 2 * (27 * 4 * 1024 + 1024 * 3)
    assert counted["cloud"] == 2 * (216 * 16 * 256 + 144 * 16 * 256 + 4096 * 3)


def test_threshold_search_meets_its_target_on_the_data_that_it_names() -> None:
    table = ready(SHAPES["default"], TrainSpec(epochs=10)).table(DATA.test)
    assert table.split == "test"
    for share in (0.0, 0.3, 0.9):
        assert table.decide({"local": find_threshold(table, exit_share=share)}).share("local") >= share
    threshold = find_threshold(table, payload_bytes=60)
    assert table.payload_bytes(table.decide({"local": threshold})) <= 60
    floor = float(table.decide({"local": 0.0}).accuracy)
    assert table.decide({"local": find_threshold(table, accuracy=floor)}).accuracy >= floor
    with pytest.raises(UsageError, match="test samples"):
        find_threshold(table, payload_bytes=1)
    with pytest.raises(UsageError, match="one target"):
        find_threshold(table)


def test_bytes_of_a_table_are_those_of_equation_1() -> None:
    table = ready(SHAPES["default"]).table(DATA.test)
    decided = table.decide({"local": 1.0})
    local = float(decided.share("local"))
    assert table.payload_bytes(decided) == pytest.approx(4 * 3 + (1 - local) * 4 * 256 / 8)


@pytest.mark.parametrize(
    "wrong",
    [
        {"cameras": 0},
        {"cameras": 2, "classes": 1},
        {"cameras": 2, "groups": ((0,),)},
        {"cameras": 2, "device": Section(0)},
        {"cameras": 2, "exits": frozenset({"edge"})},
    ],
)
def test_networks_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        NetworkSpec(**wrong)  # type: ignore[arg-type]


def test_grouped_cameras_learn_as_cameras_one_by_one() -> None:
    """The same losses as a loop over cameras: one grouped convolution is a matter of speed alone."""
    torch = pytest.importorskip("torch")
    from sim.ddnn import train
    from sim.ddnn.model import Model, binarised

    spec = NetworkSpec(cameras=4, cloud=SMALL)
    model = Model(spec, default=True, zero_filled=False, generator=torch.Generator().manual_seed(0))
    images, _, present = train.tensors(DATA, DATA.train)
    together = model(images, present, torch.ones_like(present)).scores["device"]
    nn = torch.nn.functional
    weights, heads = model.device.weights[0].split(4), model.device.head
    for camera in range(4):
        x = images[:, 3 * camera : 3 * camera + 3]
        x = nn.conv2d(x, binarised(weights[camera]), padding=1)
        x = nn.max_pool2d(x, 3, 2, 1)
        seen = present[:, camera] > 0
        x = torch.where((x - x[seen].mean((0, 2, 3), keepdim=True)) >= 0, 1.0, -1.0)
        sums = x.flatten(1) @ binarised(heads[camera])
        alone = (sums - sums[seen].mean(0)) / (sums[seen].var(0, unbiased=False) + 2e-5).sqrt() * 0.9
        assert torch.isclose(together[seen, camera], alone[seen], atol=0.02).float().mean() > 0.98
