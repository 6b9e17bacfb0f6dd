"""What was published: Teerapittayanon, McDanel, Kung, ICDCS 2017, and the data files of its two code versions.

Every value is `verified` (read in published code or data files), `computed` from such values, or `unverified` (quoted
from memory of the paper).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

Source = Literal["verified", "computed", "unverified"]

LETTERS: Final = {"max": "MP", "mean": "AP", "concat": "CC"}
"""The paper's names of the aggregations: max pooling, average pooling, concatenation."""

PAIRS: Final[Mapping[tuple[str, str], Mapping[str, float]]] = {
    ("max", "max"): {"local": 0.95, "cloud": 0.91},
    ("max", "concat"): {"local": 0.98, "cloud": 0.98},
    ("mean", "mean"): {"local": 0.86, "cloud": 0.98},
    ("mean", "concat"): {"local": 0.75, "cloud": 0.96},
    ("concat", "concat"): {"local": 0.85, "cloud": 0.94},
    ("mean", "max"): {"local": 0.88, "cloud": 0.93},
    ("max", "mean"): {"local": 0.89, "cloud": 0.97},
    ("concat", "max"): {"local": 0.77, "cloud": 0.87},
    ("concat", "mean"): {"local": 0.80, "cloud": 0.94},
}
"""Table I: (local, cloud aggregation) -> accuracy. Only that MP-CC is best is verified."""
PAIRS_ARE: Final[Source] = "unverified"

THRESHOLDS: Final[Mapping[float, Mapping[str, float]]] = {
    0.1: {"local_exit": 0.0, "overall": 0.96, "bytes": 140},
    0.3: {"local_exit": 0.0058, "overall": 0.96, "bytes": 139},
    0.5: {"local_exit": 0.0175, "overall": 0.96, "bytes": 138},
    0.6: {"local_exit": 0.0292, "overall": 0.96, "bytes": 136},
    0.7: {"local_exit": 0.2281, "overall": 0.96, "bytes": 111},
    0.8: {"local_exit": 0.6082, "overall": 0.97, "bytes": 62},
    0.9: {"local_exit": 0.8304, "overall": 0.96, "bytes": 34},
    1.0: {"local_exit": 1.0, "overall": 0.92, "bytes": 12},
}
"""Table II: threshold T -> share that leaves locally, accuracy, bytes per device and sample (Eq. 1)."""
THRESHOLDS_ARE: Final[Mapping[str, Source]] = {
    "local_exit": "verified",
    "overall": "verified",
    "bytes": "computed",
}

ENDS: Final[Mapping[str, float]] = {"local": 0.92, "cloud": 0.96}
"""Table II: accuracy of the local exit alone and of the cloud alone."""
ENDS_ARE: Final[Source] = "verified"

ADDED: Final[tuple[Mapping[str, float], ...]] = (
    {"individual": 0.37, "local": 0.37, "cloud": 0.55, "overall": 0.58},
    {"individual": 0.37, "local": 0.43, "cloud": 0.77, "overall": 0.80},
    {"individual": 0.46, "local": 0.75, "cloud": 0.87, "overall": 0.88},
    {"individual": 0.52, "local": 0.94, "cloud": 0.95, "overall": 0.96},
    {"individual": 0.60, "local": 0.95, "cloud": 0.97, "overall": 0.99},
    {"individual": 0.73, "local": 0.97, "cloud": 0.99, "overall": 0.99},
)
"""Fig. 8: one to six cameras, added from worst to best; a network trained for each number."""

FAILED: Final[tuple[Mapping[str, float], ...]] = (
    {"local": 0.92, "cloud": 0.98, "overall": 0.99},
    {"local": 0.94, "cloud": 0.98, "overall": 0.99},
    {"local": 0.97, "cloud": 0.98, "overall": 0.99},
    {"local": 0.95, "cloud": 0.97, "overall": 0.99},
    {"local": 0.96, "cloud": 0.96, "overall": 0.96},
    {"local": 0.94, "cloud": 0.95, "overall": 0.98},
)
"""Fig. 10: the camera that failed, 1 to 6; a five-camera network trained for each."""

FILTERS: Final[Mapping[int, Mapping[str, float]]] = {
    1: {"local": 0.86, "cloud": 0.90, "overall": 0.91, "local_exit": 0.7018, "bytes": 14},
    2: {"local": 0.90, "cloud": 0.92, "overall": 0.95, "local_exit": 0.7368, "bytes": 16},
    4: {"local": 0.90, "cloud": 0.92, "overall": 0.96, "local_exit": 0.7076, "bytes": 21},
    8: {"local": 0.92, "cloud": 0.94, "overall": 0.97, "local_exit": 0.7135, "bytes": 30},
}
"""Fig. 9: two device blocks of 4 and f filters, T chosen so that about 70 % leave locally."""
EXIT_SHARE: Final = 0.7
"""The local exit share that T is chosen for in Fig. 9."""
THRESHOLD: Final = 0.8
"""T in Table I, Fig. 8 and Fig. 10."""
MISSING_PARTS: Final = (0.9917, 0.9149, 0.8333, 0.5972, 0.1018)
"""The authors' PyTorch version (MNIST cut into six parts, float network, cloud exit, missing parts as zeros): no part
missing, one (the mean of six), then {4,5}, {3,4,5} and {2,3,4,5}; nothing retrained."""
