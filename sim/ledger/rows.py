"""A node's part of the ledger on the wire: rows of 36 bytes, of which one `ledger` message holds any number.

Little-endian, without padding:

======  ====  ========  ==========================================================================================
offset  size  field     meaning
======  ====  ========  ==========================================================================================
0       1     what      1 sent, 2 arrived, 3 lost, 4 stage, 5 decision, 6 counter, 7 end, 8 threshold, 9 moved,
                        10 used
1       1     code      sent: legs (2: the broker's first copy; 1: any other); lost: reason; stage; exit; counter;
                        used: 0 bytes, 1 seconds (of the window), 2 seconds of the cloud, 3 bytes stored (of the run)
2       2     extra     arrived, lost: transmissions; decision: class; threshold: cameras heard in the window
4       4     place     sent, arrived, lost: number of the lane; stage, decision: site; threshold: index of the
                        gateway whose role it is; counter: 0, or 1 + index of the gateway whose role it is;
                        moved: index of the gateway that the camera publishes for from now on; used: position of the
                        tenant in the scenario
8       4     sample    index of the sample within its site; used: number of the window
12      4     sequence  sent, arrived, lost: of the message; decision: devices used; threshold: samples judged
16      4     size      sent, arrived, lost: payload bytes; threshold: those of the window
20      8     time_s    float64, seconds of the run; counter: its value
28      8     more      float64; arrived, lost: when the broker brought it; decision: normalised entropy; threshold:
                        the new one; used: how much
======  ====  ========  ==========================================================================================

Lanes are numbered as the scenario's topology says, the same in every process.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

SENT, ARRIVED, LOST, STAGE, DECISION, COUNTER, END, THRESHOLD, MOVED, USED = range(1, 11)
REASONS: Final = (
    *("loss", "queue", "malformed", "rejected", "node-down", "interrupted", "link"),
    *("quota", "quota-compute", "quota-storage"),
)
COUNTERS: Final = (
    *("captured", "sent", "sent_bytes", "received", "bytes_up", "bytes_down", "busy_s", "judged", "left"),
    *("twice", "overheard_bytes"),
)
ROW_BYTES: Final = 36

_ROW = struct.Struct("<BBHIIIIdd")


class Row(NamedTuple):
    """One row."""

    what: int
    code: int = 0
    extra: int = 0
    place: int = 0
    sample: int = 0
    sequence: int = 0
    size: int = 0
    time_s: float = 0.0
    more: float = 0.0


def encode_rows(rows: list[Row]) -> bytes:
    """The payload of a `ledger` message."""
    return b"".join(_ROW.pack(*row) for row in rows)


def decode_rows(payload: bytes) -> Iterator[Row]:
    """The rows in the payload of a `ledger` message; raises `ValueError` for a broken one."""
    if len(payload) % ROW_BYTES:
        raise ValueError(f"{len(payload)} bytes are no whole number of rows of {ROW_BYTES}")
    for fields in _ROW.iter_unpack(payload):
        row = Row._make(fields)
        if not SENT <= row.what <= USED:
            raise ValueError(f"no row is of sort {row.what}")
        yield row
