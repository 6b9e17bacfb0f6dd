"""The device section of one camera as C: parameters bit-packed in a header, and a small inference that reads them.

Compiled without contraction of multiplications and additions (`COMPILER`) it gives bit for bit the
features and scores of `sim.ddnn.inference`: sums are whole numbers, and the rest is the same float32 steps in the
same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.ddnn.network import Network
from sim.ddnn.spec import IMAGE_CHANNELS, IMAGE_SIZE, NetworkSpec, halved
from sim.errors import UsageError

HEADER, SOURCE = "device_section.h", "device_section.c"
INFERENCE = Path(__file__).with_name(SOURCE)
COMPILER = "gcc -std=c11 -O2 -ffp-contract=off"
"""Without contraction of multiplications and additions the results are the simulation's to the bit."""


@dataclass(frozen=True)
class Exported:
    """What was written, and the memory it needs beside the caller's image, features and scores.

    Attributes:
        header, source: the two files.
        parameters: bytes of each table of parameters.
        working_bytes: static memory for the maps between blocks; none for a single block.
    """

    header: Path
    source: Path
    parameters: dict[str, int]
    working_bytes: int

    @property
    def parameter_bytes(self) -> int:
        """Bytes of all parameters."""
        return sum(self.parameters.values())


def export(network: Network, camera: int, out_dir: Path) -> Exported:
    """Write `device_section.h` and `device_section.c` for one camera into `out_dir`.

    The C function is `void device_section(const uint8_t image[3072], uint8_t features[], float scores[])`, with the
    image as `Inference.raw` gives it and features and scores as `Inference.device` does.

    Raises:
        UsageError: the device section is not binary, or there is no such camera.
    """
    spec = network.spec
    if spec.device.precision != "binary":
        raise UsageError(
            "only a binary device section is exported as C; model.device.precision is 'float': write --format onnx"
        )
    if not 0 <= camera < spec.cameras:
        raise UsageError(f"there is no camera {camera}; the network has cameras 0 to {spec.cameras - 1}")
    tables, memory = _parameters(network, camera)
    out_dir.mkdir(parents=True, exist_ok=True)
    header, source = out_dir / HEADER, out_dir / SOURCE
    header.write_text(_header(network, camera, tables, memory))
    source.write_bytes(INFERENCE.read_bytes())
    return Exported(header, source, memory, _working(spec)[0])


def _parameters(network: Network, camera: int) -> tuple[str, dict[str, int]]:
    """Return the C tables of one camera and the bytes each takes."""
    spec, arrays = network.spec, network.arrays
    lines: list[str] = []
    memory: dict[str, int] = {}

    def table(name: str, ctype: str, items: list[str], size: int) -> None:
        rows = [", ".join(items[at : at + 16]) for at in range(0, len(items), 16)]
        lines.append(f"static const {ctype} {name}[{len(items)}] = {{\n    " + ",\n    ".join(rows) + "\n};")
        memory[name] = len(items) * size

    def bits(name: str, signs: NDArray[np.int8]) -> None:
        packed = np.packbits(signs.ravel() > 0, bitorder="little")
        table(name, "uint8_t", [f"0x{byte:02x}" for byte in packed], 1)

    def floats(name: str, values: NDArray[np.float32]) -> None:
        table(name, "float", [f"{float(value).hex()}f" for value in values.ravel()], 4)

    channels = IMAGE_CHANNELS
    kernels = []
    for block, filters in enumerate(spec.device_filters):
        kernel = arrays[f"device.{block}.kernel"][camera].reshape(3, 3, channels, filters)
        kernels.append(kernel.transpose(3, 2, 0, 1).ravel())
        channels = filters
    bits("KERNELS", np.concatenate(kernels))
    blocks = range(spec.device.blocks)
    floats("SCALES", np.concatenate([arrays[f"device.{b}.scale"][camera] for b in blocks]))
    floats("SHIFTS", np.concatenate([arrays[f"device.{b}.shift"][camera] for b in blocks]))
    if spec.scored:
        filters, height, width = spec.device_map
        head = arrays["device.head.kernel"][camera].reshape(height, width, filters, spec.classes)
        bits("HEAD", np.ascontiguousarray(head.transpose(3, 2, 0, 1)))
        floats("HEAD_SCALES", arrays["device.head.scale"][camera])
        floats("HEAD_SHIFTS", arrays["device.head.shift"][camera])
    return "\n".join(lines), memory


def _working(spec: NetworkSpec) -> tuple[int, int]:
    """Return the bytes for the maps between blocks, and of one such map: two take turns, the last is the features."""
    between = [f * halved(IMAGE_SIZE, b + 1) ** 2 for b, f in enumerate(spec.device_filters[:-1])]
    widest = (max(between, default=0) + 7) // 8
    return min(len(between), 2) * widest, widest


def _header(network: Network, camera: int, tables: str, memory: dict[str, int]) -> str:
    spec = network.spec
    working, map_bytes = _working(spec)
    sizes = ", ".join(f"{name.lower()} {size}" for name, size in memory.items())
    filters = ", ".join(map(str, (IMAGE_CHANNELS, *spec.device_filters)))
    return f"""/* Device section of camera {camera}, written by `fogfleet export`. Weights {network.sha256[:16]}.
   Parameters: {sum(memory.values())} bytes ({sizes}). Working memory: {working} bytes. */
#ifndef DEVICE_SECTION_H
#define DEVICE_SECTION_H
#include <stdint.h>

#define SIZE {IMAGE_SIZE}
#define BLOCKS {spec.device.blocks}
#define CLASSES {spec.classes if spec.scored else 0}
#define MAP_BYTES {map_bytes}
#define WORKING_BYTES {working}
#define FEATURE_BYTES {spec.feature_bytes}
#define PARAMETER_BYTES {sum(memory.values())}

/* image: 3 x 32 x 32, channel by channel; features: FEATURE_BYTES, first value in bit 0; scores: CLASSES. */
void device_section(const uint8_t *image, uint8_t *features, float *scores);

#ifdef DEVICE_SECTION_PARAMETERS
static const uint16_t FILTERS[BLOCKS + 1] = {{{filters}}};
{tables}
#endif
#endif
"""
