"""The message layout to the byte, and what happens to bytes that are no message."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import wire

VECTOR = bytes.fromhex(
    "01 01 01 00 0300 0100 2a000000 05000000 0c000000 6f9fff69 0000803f 00000040 000080bf".replace(" ", "")
)


def test_the_documented_vector() -> None:
    payload = struct.pack("<3f", 1.0, 2.0, -1.0)
    frame = wire.encode(wire.SCORES, wire.FLOAT32, 3, 42, 5, payload, expected=1)
    assert frame.hex() == VECTOR.hex()
    assert wire.decode(frame) == wire.Frame(wire.SCORES, wire.FLOAT32, 0, 3, 1, 42, 5, payload)


def test_an_exit_record_has_eight_bytes() -> None:
    record = wire.ExitRecord(2, 1, 6, 0.5)
    assert wire.encode_exit(record).hex() == "020001060000003f"
    assert wire.decode_exit(wire.encode_exit(record)) == record


u16, u32 = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)


@given(st.integers(1, 7), st.integers(0, 5), u16, u32, u32, st.binary(max_size=4000), st.integers(0, 255), u16)
def test_what_is_encoded_is_decoded(
    kind: int, dtype: int, node: int, sample: int, sequence: int, payload: bytes, flags: int, expected: int
) -> None:
    frame = wire.encode(kind, dtype, node, sample, sequence, payload, flags, expected)
    assert len(frame) == wire.HEADER_BYTES + len(payload)
    assert wire.decode(frame) == (kind, dtype, flags, node, expected, sample, sequence, payload)


@given(st.binary(max_size=200))
def test_random_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.decode(data)


@given(st.data())
def test_one_flipped_bit_is_noticed(data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, 8 * len(VECTOR) - 1))
    damaged = bytearray(VECTOR)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(wire.Malformed):
        wire.decode(bytes(damaged))


@given(st.lists(u16, max_size=50))
def test_node_lists_survive(nodes: list[int]) -> None:
    assert list(wire.decode_nodes(wire.encode_nodes(nodes))) == nodes


@pytest.mark.parametrize("payload", [b"", b"1234567", struct.pack("<HBBf", 0, 4, 0, 0.0)])
def test_bad_exit_records_are_malformed(payload: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.decode_exit(payload)


def test_a_list_of_uint16_has_an_even_length() -> None:
    with pytest.raises(wire.Malformed, match="3 bytes"):
        wire.decode_nodes(b"abc")


def test_the_vectors_in_the_documentation_are_these() -> None:
    page = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text(encoding="utf-8")
    blocks = page.split("```")[1::2]
    stated = bytes.fromhex("".join(line.split("   ")[0].replace(" ", "") for line in blocks[0].split("\n")))
    assert stated == VECTOR
    assert bytes.fromhex(blocks[1].replace(" ", "").strip()) == wire.encode_exit(wire.ExitRecord(2, 1, 6, 0.5))


def test_the_vector_of_a_control_message() -> None:
    control = wire.Control(wire.START, samples=171, epoch_s=1.8e9, speed=10.0)
    frame = wire.encode(wire.CONTROL, wire.ORDER, 0, 0, 1, wire.encode_control(control))
    assert frame.hex() == (
        "0107060000000000000000000100000018000000c63afa2401000000ab0000000000008074d2da410000000000002440"
    )
    assert wire.decode_control(wire.decode(frame).payload) == control
    page = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text()
    assert frame.hex() in "".join(page.split()).replace("header", "").replace("payload", "")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        bytes(24),
        wire.encode_control(wire.Control(3, 1, 0.0, 1.0)),
        wire.encode_control(wire.Control(wire.START, 1, float("nan"), 1.0)),
        wire.encode_control(wire.Control(wire.START, 1, 0.0, 0.0)),
    ],
)
def test_a_control_record_that_cannot_be(payload: bytes) -> None:
    with pytest.raises(wire.Malformed):
        wire.decode_control(payload)
