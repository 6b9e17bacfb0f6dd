"""Speed of training against a Python loop over cameras, and of tables against running the network again and again.

    python benchmarks/ddnn.py [--epochs 5] [--runs 40] [--seeds 3]

Both comparisons check that the results are the same: losses to float32 rounding, decisions to the bit. With seeds,
accuracies on 2000 fresh samples with and without failout follow; that trains two networks a seed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from sim.data.multiview import multiview
from sim.ddnn import Inference, NetworkSpec, TrainSpec, obtain
from sim.ddnn import train as training_room
from sim.ddnn.model import Blocks

import torch  # isort: skip  # after the training room, which tells its threads how to wait

if TYPE_CHECKING:
    from sim.data import Dataset

THRESHOLDS = tuple(round(t * 0.05, 2) for t in range(21))
SUBSETS = [s for size in range(7) for s in itertools.combinations(range(6), size)]


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


def training_speed(data: Dataset, epochs: int) -> None:
    spec, training = NetworkSpec(cameras=6), TrainSpec(epochs=epochs)
    seconds, losses = [], []
    for looped in (False, True):
        model = training_room.build(spec, training)
        if looped:
            model.device = Loop(model.device, spec)  # type: ignore[assignment]  # it is called alike
        start = time.perf_counter()
        with training_room.repeatable():
            history = training_room.fit(model, training, data, None)
        seconds.append(time.perf_counter() - start)
        losses.append([row["loss"] for row in history])
    worst = max(abs(a - b) for a, b in zip(*losses, strict=True))
    _say(f"training, {epochs} epochs of {len(data.train)} samples on {training_room.THREADS} threads:")
    _say(f"  all cameras in one grouped convolution {seconds[0]:.2f} s ({100 * seconds[0] / epochs:.1f} s for 100)")
    _say(f"  a Python loop over cameras             {seconds[1]:.2f} s: {seconds[1] / seconds[0]:.2f}x slower")
    _say(f"  losses {', '.join(f'{x:.4f}' for x in losses[0])}; they differ by {worst:.1e} at most")


def table_speed(data: Dataset, runs: int) -> None:
    network = obtain(NetworkSpec(cameras=6), TrainSpec(), data)
    start = time.perf_counter()
    table = network.inference(data).subset_table(data.test, SUBSETS)
    accuracy = {t: table.decide({"local": t}).accuracy for t in THRESHOLDS}
    seconds = time.perf_counter() - start
    combinations = [*itertools.product(range(64), THRESHOLDS)]
    chosen = np.random.default_rng(0).choice(len(combinations), runs, replace=False)
    start = time.perf_counter()
    again = [_run_again(network.inference(data), *combinations[i]) for i in chosen]
    each = (time.perf_counter() - start) / runs
    same = all(
        accuracy[combinations[i][1]][combinations[i][0]] == value for i, value in zip(chosen, again, strict=True)
    )
    _say(f"64 subsets x 21 thresholds x {len(data.test)} samples:")
    _say(f"  one table                       {seconds:.2f} s, the samples' device sections included")
    _say(f"  the network run per combination {each:.3f} s each, {each * len(combinations):.0f} s for all: "
         f"{each * len(combinations) / seconds:.0f}x slower; results {'the same' if same else 'DIFFER'}")  # fmt: skip


def accuracies(seeds: int) -> None:
    data = multiview(seed=0, train=680, test=2000, cameras=6)
    for failout in (0.2, 0.0):
        rows = [_figures(data, TrainSpec(seed=seed, failout=failout)) for seed in range(seeds)]
        means = {name: np.mean([row[name] for row in rows]) for name in rows[0]}
        _say(f"failout {failout}, T = 0.8, mean of {seeds} seeds on {len(data.test)} fresh samples:")
        _say("  " + ", ".join(f"{name} {value:.4f}" for name, value in means.items()))


def _figures(data: Dataset, training: TrainSpec) -> dict[str, float]:
    table = obtain(NetworkSpec(cameras=6), training, data).inference(data).subset_table(data.test, SUBSETS)
    decided, everyone = table.decide({"local": 0.8}), table.subset(63)
    assert everyone.local_predicted is not None
    one_failed = [decided.accuracy[SUBSETS.index(s)] for s in SUBSETS if len(s) == 5]
    return {
        "local": float((everyone.local_predicted[:, 0] == everyone.labels).mean()),
        "cloud": float((everyone.cloud_predicted == everyone.labels).mean()),
        "overall": float(decided.accuracy[63]),
        "local exits": float(decided.share("local")[63]),
        "worst single failure": float(min(one_failed)),
        "mean single failure": float(np.mean(one_failed)),
        "all 64 subsets": float(decided.accuracy.mean()),
    }


def _run_again(inference: Inference, subset: int, threshold: float) -> float:
    table = inference.subset_table(inference.dataset.test, [SUBSETS[subset]])
    return float(table.decide({"local": threshold}).accuracy[0])


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=0)
    asked = parser.parse_args()
    dataset = multiview(seed=0, train=680, test=171, cameras=6)
    training_speed(dataset, asked.epochs)
    table_speed(dataset, asked.runs)
    if asked.seeds:
        accuracies(asked.seeds)
