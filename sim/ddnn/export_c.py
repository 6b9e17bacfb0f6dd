"""The device section of one camera as C: parameters bit-packed in a header, and a small inference that reads them.

Compiled without contraction of multiplications and additions (`gcc -O2 -ffp-contract=off`) it gives bit for bit the
features and scores of `sim.ddnn.inference`: sums are whole numbers, and the rest is the same float32 steps in the
same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.ddnn.network import Network
from sim.ddnn.spec import IMAGE_CHANNELS, IMAGE_SIZE, halved
from sim.errors import UsageError

HEADER, SOURCE = "device_section.h", "device_section.c"


@dataclass(frozen=True)
class Exported:
    """What was written: the two files, and the bytes that the parameters take in memory."""

    header: Path
    source: Path
    parameter_bytes: int
    memory: dict[str, int]


def export(network: Network, camera: int, out_dir: Path) -> Exported:
    """Write `device_section.h` and `device_section.c` for one camera into `out_dir`.

    The C function is `void device_section(const uint8_t image[3072], uint8_t features[], float scores[])`, with the
    image as `Inference.raw` gives it and features and scores as `Inference.device` does.

    Raises:
        UsageError: the device section is not binary, or there is no such camera.
    """
    spec = network.spec
    if spec.device.precision != "binary":
        raise UsageError("only a binary device section is exported to C; model.device.precision is 'float'")
    if not 0 <= camera < spec.cameras:
        raise UsageError(f"there is no camera {camera}; the network has cameras 0 to {spec.cameras - 1}")
    tables, memory = _parameters(network, camera)
    out_dir.mkdir(parents=True, exist_ok=True)
    header, source = out_dir / HEADER, out_dir / SOURCE
    header.write_text(_header(network, camera, tables, memory))
    source.write_text(_SOURCE)
    return Exported(header, source, sum(memory.values()), memory)


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


def _header(network: Network, camera: int, tables: str, memory: dict[str, int]) -> str:
    spec = network.spec
    sizes = ", ".join(f"{name.lower()} {size}" for name, size in memory.items())
    widest = max(f * halved(IMAGE_SIZE, b + 1) ** 2 for b, f in enumerate(spec.device_filters))
    filters = ", ".join(map(str, (IMAGE_CHANNELS, *spec.device_filters)))
    return f"""/* Device section of camera {camera}, written by `fogfleet export`. Weights {network.sha256[:16]}.
   Parameters: {sum(memory.values())} bytes ({sizes}). */
#ifndef DEVICE_SECTION_H
#define DEVICE_SECTION_H
#include <stdint.h>

#define SIZE {IMAGE_SIZE}
#define BLOCKS {spec.device.blocks}
#define CLASSES {spec.classes if spec.scored else 0}
#define WIDEST_MAP {max(widest, IMAGE_CHANNELS * IMAGE_SIZE**2)}
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


_SOURCE = """/* Inference of a binary device section. With -ffp-contract=off its results are FogFleet's to the bit. */
#define DEVICE_SECTION_PARAMETERS
#include "device_section.h"
#include <string.h>

static int16_t maps[2][WIDEST_MAP];

static int bit(const uint8_t *bits, int at) { return bits[at >> 3] >> (at & 7) & 1; }

/* Sum of the 3x3 neighbourhood of (row, column) under the kernel that starts at bit `kernel`. */
static int convolve(const int16_t *in, int channels, int size, int kernel, int row, int column)
{
    int sum = 0;
    for (int c = 0; c < channels; c++)
        for (int i = 0; i < 9; i++) {
            int y = row + i / 3 - 1, x = column + i % 3 - 1;
            if (y < 0 || y >= size || x < 0 || x >= size)
                continue;
            int value = in[(c * size + y) * size + x];
            sum += bit(KERNELS, kernel + 9 * c + i) ? value : -value;
        }
    return sum;
}

/* Highest sum of the 3x3 window around (row, column). */
static int pooled(const int16_t *in, int channels, int size, int kernel, int row, int column)
{
    int best = INT32_MIN;
    for (int i = 0; i < 9; i++) {
        int y = row + i / 3 - 1, x = column + i % 3 - 1;
        if (y < 0 || y >= size || x < 0 || x >= size)
            continue;
        int sum = convolve(in, channels, size, kernel, y, x);
        best = sum > best ? sum : best;
    }
    return best;
}

void device_section(const uint8_t *image, uint8_t *features, float *scores)
{
    int size = SIZE, kernel = 0, filter = 0, brightest = 1;
    int16_t *in = maps[0], *out = maps[1];
    for (int i = 0; i < 3 * SIZE * SIZE; i++) {
        in[i] = image[i];
        brightest = image[i] > brightest ? image[i] : brightest;
    }
    for (int b = 0; b < BLOCKS; b++) {
        int channels = FILTERS[b], half = (size + 1) / 2;
        for (int f = 0; f < FILTERS[b + 1]; f++, filter++, kernel += 9 * channels)
            for (int y = 0; y < half; y++)
                for (int x = 0; x < half; x++) {
                    float value = (float)pooled(in, channels, size, kernel, 2 * y, 2 * x);
                    if (b == 0)
                        value /= (float)brightest;
                    value *= SCALES[filter];
                    value += SHIFTS[filter];
                    out[(f * half + y) * half + x] = value >= 0 ? 1 : -1;
                }
        int16_t *swap = in;
        in = out, out = swap, size = half;
    }
    int values = FILTERS[BLOCKS] * size * size;
    memset(features, 0, FEATURE_BYTES);
    for (int i = 0; i < values; i++)
        if (in[i] > 0)
            features[i >> 3] |= (uint8_t)(1 << (i & 7));
#if CLASSES
    for (int c = 0; c < CLASSES; c++) {
        int sum = 0;
        for (int i = 0; i < values; i++)
            sum += bit(HEAD, c * values + i) ? in[i] : -in[i];
        float value = (float)sum;
        value *= HEAD_SCALES[c];
        value += HEAD_SHIFTS[c];
        scores[c] = value;
    }
#else
    (void)scores;
#endif
}
"""
