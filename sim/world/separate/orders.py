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

======  ====  ========  =============================================================================
0       2     command   4 others
2       2     tenant    its position in the scenario
4       4     window    number of the window
8       8     bytes     float64: that all other nodes are known to have published in this window
16      8     seconds   float64: that all other processors are known to have worked in this window
24      8     stored    float64: payload bytes that a cloud stored which has lost its memory
======  ====  ========  =============================================================================

Commands 1 and 2 (start, stop) are for all nodes, and described in `sim/wire.py`.
"""

from __future__ import annotations

import math
import struct
from typing import NamedTuple

from sim.wire import Malformed

PLAY, OTHERS = 3, 4
_PLAY = struct.Struct("<HHId")
_OTHERS = struct.Struct("<HHIddd")


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


class Others(NamedTuple):
    """What others have used of a tenant's quotas.

    Attributes:
        tenant: its position in the scenario.
        window: number of the window that `bytes` and `seconds` are of.
        bytes: that other nodes have published.
        seconds: that other processors have worked.
        stored: payload bytes that a cloud stored which has lost its memory.
    """

    tenant: int
    window: int
    bytes: float
    seconds: float
    stored: float


Order = Play | Others


def encode(order: Order) -> bytes:
    """The payload of an order."""
    if isinstance(order, Others):
        return _OTHERS.pack(OTHERS, *order)
    threshold = math.nan if order.threshold is None else order.threshold
    fixed = _PLAY.pack(PLAY, order.role, 0, threshold)
    return fixed + struct.pack(f"<{len(order.cameras)}H", *order.cameras)


def decode(payload: bytes) -> Order:
    """Parses the payload of an order; raises `Malformed`."""
    if len(payload) < _PLAY.size or len(payload) % 2:
        raise Malformed(f"an order cannot have {len(payload)} bytes")
    if int.from_bytes(payload[:2], "little") == OTHERS:
        return _decode_others(payload)
    command, role, _, threshold = _PLAY.unpack_from(payload)
    if command != PLAY or not (math.isnan(threshold) or 0 <= threshold <= 1):
        raise Malformed(f"command {command} or threshold {threshold} cannot be")
    cameras = struct.unpack_from(f"<{(len(payload) - _PLAY.size) // 2}H", payload, _PLAY.size)
    return Play(role, None if math.isnan(threshold) else threshold, cameras)


def _decode_others(payload: bytes) -> Others:
    if len(payload) != _OTHERS.size:
        raise Malformed(f"what others have used takes {_OTHERS.size} bytes, not {len(payload)}")
    order = Others(*_OTHERS.unpack(payload)[1:])
    if not all(0 <= used < math.inf for used in order[2:]):
        raise Malformed(f"others cannot have used {order}")
    return order
