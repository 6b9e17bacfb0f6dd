"""One float section as an ONNX model, written by torch's own exporter: for a runtime on a gateway or a server.

The model holds what the simulation computes, in float32: its scores agree to rounding, while the simulation itself
sums exactly (`sim.ddnn.exact`). Binary sections are bits, for which ONNX has no place: see `sim.ddnn.export_c`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from importlib import util
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from sim.ddnn.exact import ACTIVATION_LIMIT, ACTIVATION_STEP, WEIGHT_STEP
from sim.ddnn.model import merge
from sim.ddnn.network import Network
from sim.ddnn.sections import Sections
from sim.ddnn.spec import IMAGE_CHANNELS, IMAGE_SIZE, MOST_BLOCKS, How, Section
from sim.errors import SetupError, UsageError

Part = Literal["device", "edge", "cloud"]
Merger = Literal["edge", "cloud"]
LIBRARIES = ("onnx", "onnxscript")
STEPS = 1 / ACTIVATION_STEP


def export(network: Network, part: Part, unit: int, out_dir: Path) -> Path:
    """Write `<part>_section.onnx` into `out_dir` and return it.

    Inputs and outputs, N samples, f filters on maps of H x W, values of maps -1 or +1:

    - device: `image (N, 3, 32, 32) uint8` to `features (N, f, H, W)` and `scores (N, classes)`, before calibration.
    - edge: `maps (N, K, f, H, W)` of the gateway's K cameras and `takes_part (N, K)` of 0 and 1 to `features` and,
      with an edge exit, `scores`.
    - cloud: the same of all cameras (or gateways) to `scores (N, classes)`.

    Args:
        unit: which camera or gateway; 0 for the cloud.

    Raises:
        UsageError: there is no such section, or it is binary.
        SetupError: the libraries of the extra `onnx` are not installed.
    """
    module = _module(network, part, unit)
    lacking = [name for name in LIBRARIES if util.find_spec(name) is None]
    if lacking:
        raise SetupError(f"--format onnx needs {' and '.join(lacking)}; pip install 'fogfleet[onnx]'")
    example, inputs = module.example()
    samples = torch.export.Dim("samples")
    with _quiet():
        program = torch.onnx.export(
            module.eval(),
            example,
            dynamo=True,
            verbose=False,
            input_names=inputs,
            output_names=module.outputs,
            dynamic_shapes={name: {0: samples} for name in inputs},
        )
    assert program is not None
    program.model.doc_string = f"{part} section {unit} of a FogFleet network, weights {network.sha256[:16]}"
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / f"{part}_section.onnx"
    program.save(path, external_data=False)
    return path


class _quiet(warnings.catch_warnings):  # noqa: N801  # used like a function
    """Silence about torch's own affairs while it exports."""

    def __enter__(self) -> Any:
        super().__enter__()
        warnings.simplefilter("ignore")
        self._before = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *ended: Any) -> None:
        logging.disable(self._before)
        super().__exit__(*ended)


class _Blocks(nn.Module):
    """The blocks and the head of one unit of a tier, out of the folded arrays, in real units."""

    def __init__(self, arrays: Mapping[str, Any], tier: str, unit: int, *, stride: int, signs_out: bool) -> None:
        super().__init__()
        self.stride, self.signs_out = stride, signs_out
        self.blocks = [b for b in range(MOST_BLOCKS) if f"{tier}.{b}.kernel" in arrays]
        last = self.blocks[-1]
        for b in self.blocks:
            kernel = torch.from_numpy(arrays[f"{tier}.{b}.kernel"][unit]).float() * WEIGHT_STEP
            weight = kernel.view(3, 3, -1, kernel.shape[1]).permute(3, 2, 0, 1)
            self._keep(f"weight{b}", weight.contiguous())
            unit_of_sums = WEIGHT_STEP * (ACTIVATION_STEP if b else 1.0)
            self._keep_norm(arrays, f"{tier}.{b}", str(b), unit, unit_of_sums)
        self.scored = f"{tier}.head.kernel" in arrays
        if self.scored:
            head = torch.from_numpy(arrays[f"{tier}.head.kernel"][unit]).float() * WEIGHT_STEP
            filters = arrays[f"{tier}.{last}.kernel"].shape[2]
            side = int((head.shape[0] / filters) ** 0.5)
            by_filter = head.view(side, side, filters, -1).permute(2, 0, 1, 3).flatten(0, 2)
            self._keep("head", by_filter.contiguous())
            unit_of_sums = WEIGHT_STEP * (1.0 if signs_out else ACTIVATION_STEP)
            self._keep_norm(arrays, f"{tier}.head", "head", unit, unit_of_sums)

    def forward(self, x: Tensor, brightest: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return maps and scores of `(N, C, H, W)`; `brightest (N, 1, 1, 1)` divides the first sums."""
        for b in self.blocks:
            x = functional.conv2d(x, self._kept(f"weight{b}"), padding=1)
            x = functional.max_pool2d(x, 3, self.stride, 1)
            if b == 0 and brightest is not None:
                x = x / brightest
            x = x * self._kept(f"scale{b}")[:, None, None] + self._kept(f"shift{b}")[:, None, None]
            if b == self.blocks[-1] and self.signs_out:
                x = torch.where(x >= 0, 1.0, -1.0)
            else:
                x = torch.round(x.clamp(0.0, ACTIVATION_LIMIT) * STEPS) / STEPS
        if not self.scored:
            return x, None
        return x, x.flatten(1) @ self._kept("head") * self._kept("scalehead") + self._kept("shifthead")

    def _keep(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value)

    def _kept(self, name: str) -> Tensor:
        value: Tensor = getattr(self, name)
        return value

    def _keep_norm(self, arrays: Mapping[str, Any], at: str, name: str, unit: int, unit_of_sums: float) -> None:
        self._keep(f"scale{name}", torch.from_numpy(arrays[f"{at}.scale"][unit]) / unit_of_sums)
        self._keep(f"shift{name}", torch.from_numpy(arrays[f"{at}.shift"][unit]))


class _Device(nn.Module):
    """One camera's section."""

    def __init__(self, network: Network, camera: int) -> None:
        super().__init__()
        self.blocks = _Blocks(network.arrays, "device", camera, stride=2, signs_out=True)
        self.outputs = ["features", "scores"][: 1 + self.blocks.scored]

    def example(self) -> tuple[tuple[Tensor, ...], list[str]]:
        """Return inputs of the right shape, and their names."""
        return (torch.zeros((2, IMAGE_CHANNELS, IMAGE_SIZE, IMAGE_SIZE), dtype=torch.uint8),), ["image"]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run the section."""
        values = image.float()
        maps, scores = self.blocks(values, values.amax((1, 2, 3), keepdim=True).clamp(min=1.0))
        return (maps,) if scores is None else (maps, scores)


class _Merging(nn.Module):
    """A gateway's or the cloud's section: merges the maps of K nodes, then runs its blocks."""

    enabled: Tensor
    temperature: Tensor

    def __init__(self, network: Network, part: Merger, unit: int, how: How, sources: list[int], slots: int) -> None:
        super().__init__()
        spec, arrays = network.spec, network.arrays
        edge = part == "edge"
        self.how, self.nodes, self.empty = how, len(sources), slots - len(sources) if how == "concat" else 0
        self.shape = spec.device_map if edge or not spec.edge else spec.uplink_map
        self.blocks = _Blocks(arrays, part, unit, stride=2 if edge else 1, signs_out=edge)
        self.outputs = (["features"] if edge else []) + (["scores"] if self.blocks.scored else [])
        sections = Sections(spec, arrays, zero_filled=network.training.zero_filled)
        black, enabled = sections.inputs(part)
        self.register_buffer("enabled", torch.tensor(enabled[sources], dtype=torch.float32))
        self.register_buffer("temperature", torch.from_numpy(arrays[f"temperature.{part}"]))
        self.black = None if black is None else nn.Buffer(torch.from_numpy(black[sources]).float())

    def example(self) -> tuple[tuple[Tensor, ...], list[str]]:
        """Return inputs of the right shape, and their names."""
        return (torch.ones(2, self.nodes, *self.shape), torch.ones(2, self.nodes)), ["maps", "takes_part"]

    def forward(self, maps: Tensor, takes_part: Tensor) -> tuple[Tensor, ...]:
        """Merge and run the section."""
        if self.black is None:
            takes = takes_part * self.enabled
        else:
            maps = torch.where(takes_part[..., None, None, None] > 0, maps, self.black)
            takes = torch.ones_like(takes_part) * self.enabled
        maps = functional.pad(maps, (0, 0, 0, 0, 0, 0, 0, self.empty))
        takes = functional.pad(takes, (0, self.empty))
        maps, scores = self.blocks(merge(maps[:, None], takes[:, None], self.how).flatten(1, 2))
        found = [maps] if "features" in self.outputs else []
        return (*found, scores / self.temperature) if scores is not None else tuple(found)


def _module(network: Network, part: Part, unit: int) -> _Device | _Merging:
    spec = network.spec
    section: Section | None = {"device": spec.device, "edge": spec.edge, "cloud": spec.cloud}[part]
    if section is None:
        raise UsageError("the network has no edge section: give model.edge")
    if section.precision == "binary":
        remedy = "write --format c" if part == "device" else f"set model.{part}.precision=float before training"
        raise UsageError(f"ONNX is for float sections; model.{part} is binary: {remedy}")
    units = {"device": spec.cameras, "edge": spec.gateways, "cloud": 1}[part]
    if not 0 <= unit < units:
        raise UsageError(f"there is no {part} section {unit}; the network has 0 to {units - 1}")
    if part == "device":
        return _Device(network, unit)
    if part == "edge":
        return _Merging(network, part, unit, spec.aggregate.edge, list(spec.groups[unit]), max(map(len, spec.groups)))
    inputs = len(spec.uplinks)
    return _Merging(network, part, 0, spec.aggregate.cloud, list(range(inputs)), inputs)
