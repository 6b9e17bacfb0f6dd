"""Random streams keyed by stable names, so that adding one never changes another (DESIGN, section 3)."""

from __future__ import annotations

import hashlib
import struct
from functools import lru_cache
from typing import Final

import numpy as np

REMEMBERED: Final = 1 << 15
_SCALE: Final = 2.0**-53
_PAIR: Final = struct.Struct("<QQ")


def seed_sequence(seed: int, *name: str) -> np.random.SeedSequence:
    """The child of `SeedSequence(seed)` that belongs to `name`, whatever other streams exist."""
    digest = hashlib.sha256("\0".join(name).encode()).digest()
    return np.random.SeedSequence(seed, spawn_key=struct.unpack("<8I", digest))


def generator(seed: int, *name: str) -> np.random.Generator:
    """A generator for the stream called `name` under `seed`."""
    return np.random.default_rng(seed_sequence(seed, *name))


class Draws:
    """Uniform numbers addressed by counters instead of by call order.

    A link draws the jitter of one message from (kind, sample, attempt). A message that is sent twice, late or not at
    all therefore leaves the draws of every other message as they were (issue: a fault's effect ends with it).
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
