"""A small fleet with quickly made data, for tests of sweeps; workers import this module too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim import world
from sim.data import Dataset
from sim.scenario import Scenario

SCENARIO = """\
name: small
seed: 7
samples: 24
data: {{kind: custom, load: sweep_kit:scenes}}
model:
  device: {{filters: 2, blocks: 1}}
  cloud: {{filters: 4, blocks: 1}}
  training: {{epochs: {epochs}, seed: 1}}
exits: {{local: 0.8}}
nodes:
  cam: {{role: camera, count: {cameras}, uplink: gw, period: 1 s}}
  gw: {{role: gateway, uplink: cloud}}
  cloud: {{role: cloud}}
links:
  cam->gw: {{bandwidth: 250 kbit/s, latency: 5 ms, jitter: 1 ms, loss: 5 %}}
  gw->cloud: {{bandwidth: 5 Mbit/s, latency: 40 ms}}
{sweep}
"""
FAILURES = """\
sweep:
  combinations: {of: cam, down: 0..3}
  grid: {exits.local: [0.2, 0.6, 0.9]}
"""


def scenes(cameras: int, base: Path) -> Dataset:
    """Noise around one picture a class; camera 0 sees it best."""
    random = np.random.default_rng(3)
    labels = np.arange(60, dtype=np.int64) % 3
    pictures = random.integers(0, 256, (3, 3, 32, 32))
    noise = random.integers(-90, 90, (60, cameras, 3, 32, 32)) * (1 + np.arange(cameras))[:, None, None, None]
    images = np.clip(pictures[labels][:, None] + noise, 1, 255).astype(np.uint8)
    images[::7, -1] = 0
    present: NDArray[np.bool_] = np.asarray(images.any(axis=(2, 3, 4)))
    split = np.arange(60)
    return Dataset("scenes", images, labels, present, split[:36], split[36:], ("a", "b", "c"))


def write(folder: Path, sweep: str = FAILURES, *, cameras: int = 3, epochs: int = 3) -> Path:
    """Writes a scenario and returns its path."""
    path = folder / "small.yaml"
    path.write_text(SCENARIO.format(sweep=sweep, cameras=cameras, epochs=epochs))
    return path


def scenario(folder: Path, sweep: str = FAILURES, *overrides: str, cameras: int = 3) -> Scenario:
    """The small scenario with a sweep block."""
    return world.load(write(folder, sweep, cameras=cameras), overrides)
