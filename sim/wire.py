"""What crosses the broker: a fixed 24-byte little-endian header and a payload. Never pickle, never JSON.

======  ====  ========  =====================================================================
offset  size  field     meaning
======  ====  ========  =====================================================================
0       1     version   1
1       1     kind      1 scores, 2 request, 3 features, 4 raw, 5 exit, 6 status, 7 control, 8 ledger
2       1     dtype     0 none, 1 float32, 2 bits, 3 uint8, 4 uint16, 5 exit record, 6 control record, 7 ledger rows
3       1     flags     bit 0: the camera sees no object (its input is masked)
4       2     node      index of the node (within its site and role) that the payload comes from
6       2     expected  how many such messages the sender will send for this sample; 0 = not said
8       4     sample    index of the sample within its site
12      4     sequence  counts the sender's publishes
16      4     length    payload bytes
20      4     crc       CRC-32 (IEEE) of the 20 bytes before it and the payload
24      n     payload   float32 scores; bit-packed features (first value in the lowest bit); uint8 raw image;
                        uint16 camera indices (request); exit record
======  ====  ========  =====================================================================

The exit record is 8 bytes: uint16 class, uint8 exit (0 device, 1 local, 2 edge, 3 cloud), uint8 devices used,
float32 normalised entropy. The control record is 24 bytes: uint16 command (1 start, 2 stop), uint16 zero, uint32
samples of each site, float64 Unix time of time 0, float64 seconds of the run for each wall second. Ledger rows are
described in `sim/ledger/rows.py`. Test vectors stand in `tests/test_wire.py`.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Final, NamedTuple

VERSION: Final = 1
HEADER_BYTES: Final = 24
ABSENT: Final = 1

KINDS: Final = ("", "scores", "request", "features", "raw", "exit", "status", "control", "ledger")
SCORES, REQUEST, FEATURES, RAW, EXIT, STATUS, CONTROL, LEDGER = range(1, 9)
DTYPES: Final = ("none", "float32", "bits", "uint8", "uint16", "exit", "control", "rows")
NONE, FLOAT32, BITS, UINT8, UINT16, RECORD, ORDER, ROWS = range(8)
EXITS: Final = ("device", "local", "edge", "cloud")

_HEADER = struct.Struct("<BBBBHHIIII")
_BODY = struct.Struct("<BBBBHHIII")
_RECORD = struct.Struct("<HBBf")
_CONTROL = struct.Struct("<HHIdd")
START: Final = 1
STOP: Final = 2


class Malformed(ValueError):  # noqa: N818 - reads as what the frame is
    """Bytes that are no FogFleet message; the text says why."""


class Frame(NamedTuple):
    """One parsed message."""

    kind: int
    dtype: int
    flags: int
    node: int
    expected: int
    sample: int
    sequence: int
    payload: bytes


class ExitRecord(NamedTuple):
    """The payload of an `exit` message."""

    predicted: int
    exit: int
    devices_used: int
    entropy: float


class Control(NamedTuple):
    """The payload of a `control` message: whoever conducts the run says when it starts and when it is over.

    Attributes:
        command: `START` or `STOP`.
        samples: that each site captures.
        epoch_s: Unix time at which the run's time is 0.
        speed: seconds of the run for each wall second.
    """

    command: int
    samples: int
    epoch_s: float
    speed: float


def encode(
    kind: int,
    dtype: int,
    node: int,
    sample: int,
    sequence: int,
    payload: bytes,
    flags: int = 0,
    expected: int = 0,
) -> bytes:
    """The bytes of one message; raises `struct.error` where a field does not fit its width."""
    body = _BODY.pack(VERSION, kind, dtype, flags, node, expected, sample, sequence & 0xFFFFFFFF, len(payload))
    return b"%b%b%b" % (body, zlib.crc32(payload, zlib.crc32(body)).to_bytes(4, "little"), payload)


def decode(frame: bytes) -> Frame:
    """Parses a message; raises `Malformed` for anything that `encode` cannot have written."""
    if len(frame) < HEADER_BYTES:
        raise Malformed(f"{len(frame)} bytes are shorter than the header of {HEADER_BYTES}")
    version, kind, dtype, flags, node, expected, sample, sequence, length, crc = _HEADER.unpack_from(frame)
    payload = frame[HEADER_BYTES:]
    if len(payload) != length:
        raise Malformed(f"the header promises {length} payload bytes, {len(payload)} came")
    if zlib.crc32(payload, zlib.crc32(frame[:20])) != crc:
        raise Malformed("the CRC-32 does not match")
    if version != VERSION or not 0 < kind < len(KINDS) or dtype >= len(DTYPES):
        raise Malformed(f"version {version}, kind {kind} or dtype {dtype} is unknown")
    return Frame(kind, dtype, flags, node, expected, sample, sequence, payload)


def encode_exit(record: ExitRecord) -> bytes:
    """The 8-byte payload of an `exit` message."""
    return _RECORD.pack(*record)


def decode_exit(payload: bytes) -> ExitRecord:
    """Parses the payload of an `exit` message; raises `Malformed`."""
    if len(payload) != _RECORD.size:
        raise Malformed(f"an exit record has {_RECORD.size} bytes, not {len(payload)}")
    record = ExitRecord(*_RECORD.unpack(payload))
    if record.exit >= len(EXITS):
        raise Malformed(f"exit {record.exit} is unknown")
    return record


def encode_nodes(nodes: list[int]) -> bytes:
    """The payload of a `request`: the cameras asked, as uint16."""
    return struct.pack(f"<{len(nodes)}H", *nodes)


def decode_nodes(payload: bytes) -> tuple[int, ...]:
    """Parses the payload of a `request`; raises `Malformed`."""
    if len(payload) % 2:
        raise Malformed(f"a list of uint16 cannot have {len(payload)} bytes")
    return struct.unpack(f"<{len(payload) // 2}H", payload)


def encode_control(control: Control) -> bytes:
    """The 24-byte payload of a `control` message."""
    return _CONTROL.pack(control.command, 0, *control[1:])


def decode_control(payload: bytes) -> Control:
    """Parses the payload of a `control` message; raises `Malformed`."""
    if len(payload) != _CONTROL.size:
        raise Malformed(f"a control record has {_CONTROL.size} bytes, not {len(payload)}")
    command, _, samples, epoch_s, speed = _CONTROL.unpack(payload)
    if command not in (START, STOP) or not (math.isfinite(epoch_s) and math.isfinite(speed) and speed > 0):
        raise Malformed(f"command {command}, time {epoch_s} or speed {speed} cannot be")
    return Control(command, samples, epoch_s, speed)


def topic(run: str, site: str, node: str, kind: int) -> str:
    """`fogfleet/<run>/<site>/<node>/<kind>`; `node` is the publisher."""
    return f"fogfleet/{run}/{site}/{node}/{KINDS[kind]}"
