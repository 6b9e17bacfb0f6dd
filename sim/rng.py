"""Random streams keyed by stable names, so that adding one never changes another (DESIGN, section 3)."""

from __future__ import annotations

import hashlib
import struct
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

REMEMBERED: Final = 1 << 15
_SCALE: Final = 2.0**-53
_PAIR: Final = struct.Struct("<QQ")
_HALF: Final = (1 << 32) - 1
_ALL: Final = (1 << 64) - 1
_GOLDEN: Final = 0x9E3779B97F4A7C15
_FIRST: Final = 0xBF58476D1CE4E5B9
_SECOND: Final = 0x94D049BB133111EB


def seed_sequence(seed: int, *name: str) -> np.random.SeedSequence:
    """The child of `SeedSequence(seed)` that belongs to `name`, whatever other streams exist."""
    digest = hashlib.sha256("\0".join(name).encode()).digest()
    return np.random.SeedSequence(seed, spawn_key=struct.unpack("<8I", digest))


def generator(seed: int, *name: str) -> np.random.Generator:
    """A generator for the stream called `name` under `seed`."""
    return np.random.default_rng(seed_sequence(seed, *name))


class Draws:
    """Uniform numbers addressed by counters instead of by call order.

    A fault draws what it does to one message from (kind, sample, attempt). A message that is sent twice, late or not
    at all therefore leaves the draws of every other message as they were (issue: a fault's effect ends with it).
    """

    __slots__ = ("_key",)

    def __init__(self, seed: int, *name: str) -> None:
        self._key = seed_sequence(seed, *name).generate_state(4).tobytes()

    def uniform(self, *counters: int) -> tuple[float, float]:
        """Two independent numbers in [0, 1) that depend on the stream and `counters` alone."""
        return _uniform(self._key, counters)


@lru_cache(maxsize=REMEMBERED)
def _uniform(key: bytes, counters: tuple[int, ...]) -> tuple[float, float]:
    """The numbers themselves; the points of a sweep draw the same ones again and again."""
    message = struct.pack(f"<{len(counters)}q", *counters)
    first, second = _PAIR.unpack(hashlib.blake2b(message, digest_size=16, key=key).digest())
    return (first >> 11) * _SCALE, (second >> 11) * _SCALE


class Grid:
    """As `Draws`, for messages: two uniform numbers by (site, kind, sample, origin, attempt), one or many at a time.

    The counters are absorbed with the finaliser of SplitMix64 (Steele, Lea and Flood 2014, Stafford's variant 13),
    under a key that comes from `seed_sequence`. `block` gives the very numbers that `pair` gives one by one.
    """

    __slots__ = ("_key",)

    def __init__(self, seed: int, *name: str) -> None:
        first, second = seed_sequence(seed, *name).generate_state(2, np.uint64).tolist()
        self._key = first, second

    def pair(self, site: int, kind: int, sample: int, origin: int, attempt: int) -> tuple[float, float]:
        """The numbers of one message on one site's link."""
        one, two = self._key
        word = ((sample & _HALF) << 32) | (site & _HALF)
        first = _mix(((_mix(word ^ one) ^ _word(kind, origin, attempt)) + two) & _ALL)
        second = _mix((first + _GOLDEN) & _ALL)
        return (first >> 11) * _SCALE, (second >> 11) * _SCALE

    def block(self, sites: int, kind: int, samples: range, origin: int, first: int = 0) -> tuple[Array, Array]:
        """The numbers of the first attempts of many samples at sites from `first` on, each `(samples, sites)`."""
        one, two = (np.uint64(part) for part in self._key)
        rows = (np.arange(samples.start, samples.stop).astype(np.uint64) & np.uint64(_HALF)) << np.uint64(32)
        words = rows[:, None] | np.arange(first, first + sites, dtype=np.uint64)
        lost = _mix_all((_mix_all(words ^ one) ^ np.uint64(_word(kind, origin, 0))) + two)
        jitter = _mix_all(lost + np.uint64(_GOLDEN))
        return _unit(lost), _unit(jitter)


def _word(kind: int, origin: int, attempt: int) -> int:
    return ((origin & _HALF) << 32) | ((attempt & 0xFFFF) << 16) | (kind & 0xFFFF)


def _mix(word: int) -> int:
    word = ((word ^ (word >> 30)) * _FIRST) & _ALL
    word = ((word ^ (word >> 27)) * _SECOND) & _ALL
    return word ^ (word >> 31)


def _unit(words: np.ndarray[Any, np.dtype[np.uint64]]) -> Array:
    return (words >> np.uint64(11)).astype(np.float64) * np.float64(_SCALE)


def _mix_all(words: np.ndarray[Any, np.dtype[np.uint64]]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(_FIRST)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(_SECOND)
    return words ^ (words >> np.uint64(31))
