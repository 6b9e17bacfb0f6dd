"""The network's own figures: how fast it trains, how fast tables are, and what it is right about with cameras failed.

Both comparisons of speed check that the results are the same: losses to float32 rounding, decisions to the bit.
Accuracies are means over seeds on 2000 fresh samples, from stored networks where there are any (`fogfleet reproduce`
stores the same ones); where the many networks of the pairs and of Fig. 8 are not stored, one seed has to do.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.table import Row
from sim.data.multiview import multiview
from sim.ddnn import Aggregate, Inference, NetworkSpec, Table, TrainSpec, obtain, stored, without
from sim.ddnn import train as training_room
from sim.ddnn.model import Blocks

import torch  # isort: skip  # after the training room, which tells its threads how to wait

if TYPE_CHECKING:
    from sim.data import Dataset

SPEC = NetworkSpec(cameras=6)
T = 0.8
SEEDS = 3
EPOCHS, FEW = 100, 5
THRESHOLDS = tuple(round(t * 0.05, 2) for t in range(21))
SUBSETS = [s for size in range(7) for s in itertools.combinations(range(6), size)]
PAIRS = tuple(itertools.product(("max", "mean", "concat"), repeat=2))
LETTERS = {"max": "MP", "mean": "AP", "concat": "CC"}


def rows(runs: int = 40) -> Iterator[Row]:
    """All rows. `runs`: combinations for which the network is run again, of 64 x 21."""
    small = multiview(seed=0, train=680, test=171, cameras=6)
    yield from _training(small)
    yield from _tables(small, runs)
    data = multiview(seed=0, train=680, test=2000, cameras=6)
    yield from _thresholds(data)
    yield from _failures(data)
    yield from _added(data)
    yield from _pairs(data)


class Loop(torch.nn.Module):
    """The reference: one module a camera, called one after the other. Starts from the grouped one's weights."""

    def __init__(self, grouped: Blocks, spec: NetworkSpec) -> None:
        super().__init__()
        self.out = grouped.out
        self.cameras = torch.nn.ModuleList()
        for camera in range(spec.cameras):
            one = Blocks(
                1, 3, 32, spec.device_filters, spec.device.precision, stride=2, classes=spec.classes,
                binary_out=True, default=True, generator=torch.Generator(),
            )  # fmt: skip
            with torch.no_grad():
                for mine, all_of_them in zip(one.weights, grouped.weights, strict=True):
                    mine.copy_(all_of_them.chunk(spec.cameras)[camera])
                one.head.copy_(grouped.head[camera : camera + 1])
            self.cameras.append(one)

    def forward(self, x: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        outs = [
            camera(x[:, 3 * c : 3 * c + 3].contiguous(memory_format=torch.channels_last), counts[:, c : c + 1])
            for c, camera in enumerate(self.cameras)
        ]
        return torch.cat([o[0] for o in outs], 1), torch.cat([o[1] for o in outs], 1)


def _training(data: Dataset) -> Iterator[Row]:
    seconds = statistics.median(_fit(data, EPOCHS, looped=False)[0] for _ in range(3))
    what = f"training, {len(data.train)} samples, {EPOCHS} epochs, {training_room.THREADS} threads, median of 3"
    yield Row(what, f"{seconds:.1f} s", "<= 30 s", seconds <= 30)
    grouped_s, grouped = _fit(data, FEW, looped=False)
    looped_s, looped = _fit(data, FEW, looped=True)
    ratio = looped_s / grouped_s
    yield Row(f"a Python loop over cameras over that, {FEW} epochs", f"{ratio:.2f} x", "> 1 x", ratio > 1)
    worst = max(abs(a - b) / a for a, b in zip(grouped, looped, strict=True))
    yield Row("their losses differ by a share of (float32 rounding)", f"{worst:.0e}", "< 1e-3", worst < 1e-3)


def _fit(data: Dataset, epochs: int, *, looped: bool) -> tuple[float, list[float]]:
    """Seconds and the loss of each epoch."""
    training = TrainSpec(epochs=epochs)
    model = training_room.build(SPEC, training)
    if looped:
        model.device = Loop(model.device, SPEC)  # type: ignore[assignment]  # it is called alike
    start = time.perf_counter()
    with training_room.repeatable():
        history = training_room.fit(model, training, data, None)
    return time.perf_counter() - start, [row["loss"] for row in history]


def _tables(data: Dataset, runs: int) -> Iterator[Row]:
    network = obtain(SPEC, TrainSpec(), data)
    start = time.perf_counter()
    table = network.inference(data).subset_table(data.test, SUBSETS)
    accuracy = {t: table.decide({"local": t}).accuracy for t in THRESHOLDS}
    seconds = time.perf_counter() - start
    combinations = [*itertools.product(range(64), THRESHOLDS)]
    chosen = [combinations[i] for i in np.random.default_rng(0).choice(len(combinations), runs, replace=False)]
    start = time.perf_counter()
    again = [_run_again(network.inference(data), *one) for one in chosen]
    times = (time.perf_counter() - start) / runs * len(combinations) / seconds
    same = sum(accuracy[t][subset] == value for (subset, t), value in zip(chosen, again, strict=True))
    yield Row(f"64 subsets x 21 thresholds x {len(data.test)} samples as one table", f"{seconds:.2f} s")
    yield Row("the network run for each combination over that", f"{times:.0f} x", ">= 100 x", times >= 100)
    yield Row("combinations with the same accuracy to the bit", f"{same} of {runs}", f"{runs} of {runs}", same == runs)


def _run_again(inference: Inference, subset: int, threshold: float) -> float:
    table = inference.subset_table(inference.dataset.test, [SUBSETS[subset]])
    return float(table.decide({"local": threshold}).accuracy[0])


@cache
def _table(data: Dataset, spec: NetworkSpec, seed: int) -> Table:
    return obtain(spec, TrainSpec(seed=seed), data).inference(data).table(data.test)


def _seeds(data: Dataset, specs: Sequence[NetworkSpec]) -> range:
    """All seeds if their networks are stored, else the first."""
    there = all(stored(spec, TrainSpec(seed=seed), data) for spec in specs for seed in range(SEEDS))
    return range(SEEDS if there else 1)


def _overall(data: Dataset, spec: NetworkSpec, seeds: range) -> float:
    return float(np.mean([_table(data, spec, seed).decide({"local": T}).accuracy for seed in seeds]))


def _thresholds(data: Dataset) -> Iterator[Row]:
    """Some threshold lets most samples leave locally, for few bytes, at no loss."""
    tables = [_table(data, SPEC, seed) for seed in range(SEEDS)]
    found = []
    for threshold in THRESHOLDS:
        decided = [table.decide({"local": threshold}) for table in tables]
        figures = [(d.accuracy, d.share("local"), t.payload_bytes(d)) for d, t in zip(decided, tables, strict=True)]
        found.append((threshold, *np.mean(figures, axis=0).tolist()))
    best, first, last = max(accuracy for _, accuracy, _, _ in found), found[0][2], found[-1][2]
    span = f"{100 * first:.0f} to {100 * last:.0f} %"
    yield Row(f"local exits over T from 0 to 1, {SEEDS} seeds", span, "0 to 100 %", (first, last) == (0, 1))
    good = [one for one in found if one[2] >= 0.6 and one[3] <= 62]
    threshold, accuracy, share, spent = max(good, key=lambda one: one[1])
    behind = 100 * (best - accuracy)
    what = f"T = {threshold:g}: {100 * share:.0f} % leave locally, {spent:.0f} B; behind the best"
    yield Row(what, f"{behind:.2f} points", "<= 0.5, >= 60 %, <= 62 B", behind <= 0.5)


def _failures(data: Dataset) -> Iterator[Row]:
    means = {}
    for failout in (0.2, 0.0):
        tables = [
            obtain(SPEC, TrainSpec(seed=seed, failout=failout), data).inference(data).subset_table(data.test, SUBSETS)
            for seed in range(SEEDS)
        ]
        means[failout] = np.mean([table.decide({"local": T}).accuracy for table in tables], axis=0)
    one_failed = [float(means[0.2][SUBSETS.index(s)]) for s in SUBSETS if len(s) == 5]
    worst, mean = min(one_failed), float(np.mean(one_failed))
    what = f"one camera failed, masked, the worst, {SEEDS} seeds"
    yield Row(what, f"{100 * worst:.1f} %", ">= 94.5 %", worst >= 0.945)
    yield Row("one camera failed, masked, on average", f"{100 * mean:.1f} %", ">= 95.5 %", mean >= 0.955)
    with_it, without_it = (float(means[failout].mean()) for failout in (0.2, 0.0))
    gain = 100 * (with_it - without_it)
    what = f"all 64 subsets: failout {100 * with_it:.1f} %, none {100 * without_it:.1f} %; gain"
    yield Row(what, f"{gain:.1f} points", ">= 4 points", gain >= 4)


def _added(data: Dataset) -> Iterator[Row]:
    """Cameras added from worst to best, a network for each number."""
    alone = np.mean([_alone(_table(data, SPEC, seed)) for seed in range(SEEDS)], axis=0)
    order = np.argsort(alone, kind="stable").tolist()
    specs = [without(SPEC, order[count:]) for count in range(1, 7)]
    seeds = _seeds(data, specs)
    overall = [_overall(data, spec, seeds) for spec in specs]
    told = " ".join(f"{100 * value:.1f}" for value in overall)
    grows = all(after > before for before, after in pairwise(overall))
    yield Row(f"one to six cameras, {len(seeds)} seeds", f"{told} %", "grows with each", grows)
    gap = 100 * (overall[-1] - max(alone))
    yield Row("six cameras above the best single one", f"{gap:.1f} points", ">= 20 points", gap >= 20)


def _alone(table: Table) -> np.ndarray:
    assert table.camera_predicted is not None
    return (table.camera_predicted == table.labels[:, None]).mean(axis=0)


def _pairs(data: Dataset) -> Iterator[Row]:
    specs = {pair: NetworkSpec(cameras=6, aggregate=Aggregate(local=pair[0], cloud=pair[1])) for pair in PAIRS}
    seeds = _seeds(data, list(specs.values()))
    overall = {pair: _overall(data, spec, seeds) for pair, spec in specs.items()}
    best = max(overall, key=lambda pair: overall[pair])
    behind = 100 * (overall[best] - overall["max", "concat"])
    name = "-".join(LETTERS[how] for how in best)
    what = f"MP-CC behind the best of nine pairs, {name} ({100 * overall[best]:.1f} %), {len(seeds)} seeds"
    yield Row(what, f"{behind:.1f} points", "<= 1 point", behind <= 1)
