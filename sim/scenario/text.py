"""The text of a scenario file: what may be in it, and what an unquoted scalar means."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from sim.errors import Problem

MAX_BYTES = 256 * 1024

_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_MAX_DIGITS = 40


class Place(NamedTuple):
    """Where something stands: the file or option, 1-based line and column (0 for an option)."""

    file: str
    line: int
    column: int


class NotReadableError(Exception):
    """Reading cannot go on; `args` are place and message."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(place, message)

    @property
    def problem(self) -> Problem:
        """The same as a problem of the document as a whole."""
        place, message = self.args
        return Problem(place.file, place.line, place.column, "", message)


def decode(raw: bytes, file: str) -> str:
    """The text of a file.

    Raises:
        NotReadableError: too large, not UTF-8, or with characters that no text has.
    """
    if len(raw) > MAX_BYTES:
        raise NotReadableError(
            Place(file, 0, 0), f"larger than {MAX_BYTES // 1024} KiB; a scenario is a small text file"
        )
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NotReadableError(Place(file, 1, 1), "is UTF-16; save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _line_column(raw[: error.start].decode("utf-8", "replace"))
        what = "is not text" if b"\x00" in raw else "is not UTF-8 text"
        raise NotReadableError(
            Place(file, line, column), f"{what} (byte 0x{raw[error.start]:02x}); save it as UTF-8"
        ) from None
    return text


def _line_column(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def check_characters(text: str, file: str) -> None:
    """Refuses characters that no text has.

    Raises:
        NotReadableError: there is one; it names the first.
    """
    control = CONTROL.search(text)
    if control:
        place = Place(file, *_line_column(text[: control.start()]))
        raise NotReadableError(place, f"control character U+{ord(control[0]):04X}; remove it (is this a text file?)")


def plain_scalar(text: str) -> Any:
    """What unquoted text means in YAML 1.2 (core schema).

    Raises:
        ValueError: a number too long to be meant.
    """
    if text in _NULLS:
        return None
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text) or _BASED.fullmatch(text) or _FLOAT.fullmatch(text):
        if len(text) > _MAX_DIGITS:
            raise ValueError(f"a number of {len(text)} characters; write at most {_MAX_DIGITS}")
        if _INT.fullmatch(text):
            return int(text)
        return int(text, 0) if _BASED.fullmatch(text) else float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", ""))
    return text
