"""What the conductor tells one node while a run goes on: a `control` message on a topic that only this node hears.

======  ====  ========  =============================================================================
offset  size  field     meaning
======  ====  ========  =============================================================================
0       2     command   3 play
2       2     role      index of the gateway whose role is to be played from now on
4       4     zero
8       8     threshold float64: the role's threshold from now on; NaN: as it is
16      2 n   cameras   uint16 indices of the cameras that are to be told to come
======  ====  ========  =============================================================================

Commands 1 and 2 (start, stop) are for all nodes, and described in `sim/wire.py`.
"""

from __future__ import annotations

import math
import struct
from typing import Final, NamedTuple

from sim.wire import Malformed

PLAY: Final = 3
_PLAY = struct.Struct("<HHId")


class Play(NamedTuple):
    """A gateway is to play a role, its own or another's.

    Attributes:
        role: index of the gateway whose role it is.
        threshold: of the role's local exit; None: as it is.
        cameras: indices of those to be told to come.
    """

    role: int
    threshold: float | None
    cameras: tuple[int, ...]


def encode(order: Play) -> bytes:
    """The payload of an order."""
    threshold = math.nan if order.threshold is None else order.threshold
    fixed = _PLAY.pack(PLAY, order.role, 0, threshold)
    return fixed + struct.pack(f"<{len(order.cameras)}H", *order.cameras)


def decode(payload: bytes) -> Play:
    """Parses the payload of an order; raises `Malformed`."""
    if len(payload) < _PLAY.size or len(payload) % 2:
        raise Malformed(f"an order cannot have {len(payload)} bytes")
    command, role, _, threshold = _PLAY.unpack_from(payload)
    if command != PLAY or not (math.isnan(threshold) or 0 <= threshold <= 1):
        raise Malformed(f"command {command} or threshold {threshold} cannot be")
    cameras = struct.unpack_from(f"<{(len(payload) - _PLAY.size) // 2}H", payload, _PLAY.size)
    return Play(role, None if math.isnan(threshold) else threshold, cameras)
