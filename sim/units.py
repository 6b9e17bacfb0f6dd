"""Numbers with units as people write them (`250 kbit/s`, `5 ms`, `0.1 %`), turned into SI floats and back.

Parsing is exact up to the last rounding: `5 ms` is the float nearest to 0.005, not `5 * 1e-3`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

_NUMBER = r"[0-9]{1,16}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?"
_QUANTITY = re.compile(rf"(?P<number>[+-]?{_NUMBER}) ?(?P<unit>[^\s0-9][^\s]*)?")
_NON_ZERO = r"(?=[0-9.]*[1-9])"


def shown(value: object, limit: int = 40) -> str:
    """A value as an error message quotes it: escaped, and cut to `limit` characters."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value[: limit + 1]) if isinstance(value, str) else str(value)
    return text if len(text) <= limit + 2 else text[:limit] + "…"


@dataclass(frozen=True, slots=True)
class Dimension:
    """One kind of quantity.

    Attributes:
        what: with its article, as messages name it (`a bit rate`).
        units: unit name to its size in the SI unit; the first of equal size is the one that is written.
        example: a right form to show.
        least: smallest value that makes sense, in SI.
        most: largest value that makes sense, in SI.
    """

    what: str
    units: Mapping[str, Fraction]
    example: str
    least: float = 0.0
    most: float = 1e15

    @property
    def pattern(self) -> str:
        """A regular expression (Python and ECMA 262) for what `parse` accepts, up to the range."""
        names = "|".join(re.escape(name) for name in self.units)
        return f"^{_NON_ZERO if self.least > 0 else ''}{_NUMBER} ?({names})$"

    def parse(self, text: object) -> float:
        """The value of `text` in the SI unit.

        Raises:
            ValueError: `text` is not a quantity of this kind; the message shows a right form.
        """
        match = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
        if match is None or match["unit"] not in self.units:
            raise ValueError(self._complaint(text, match))
        exact = Fraction(match["number"]) * self.units[match["unit"]]
        value = float(min(exact, Fraction(2 * self.most)))  # what is far too large may not even fit a float
        if not self.least <= value <= self.most or match["number"].startswith("-"):
            raise ValueError(f"{shown(text)} is out of range; {self._range()}")
        return value

    def format(self, value: float) -> str:
        """The shortest text of a value in SI that `parse` turns back into exactly the same float."""
        largest_first = sorted(self.units, key=lambda name: -self.units[name])
        for name in [*(n for n in largest_first if self.units[n] <= value), self._base()]:
            text = f"{_number(float(Fraction(value) / self.units[name]))} {name}"
            match = _QUANTITY.fullmatch(text)
            if match is not None and float(Fraction(match["number"]) * self.units[name]) == value:
                return text
        raise ValueError(f"{value!r} is not {self.what}; {self._range()}")

    def _range(self) -> str:
        return f"write {self.what} from {_number(self.least)} to {_number(self.most)} {self._base()}"

    def _base(self) -> str:
        return next(name for name, size in self.units.items() if size == 1)

    def _complaint(self, text: object, match: re.Match[str] | None) -> str:
        if isinstance(text, int | float) and not isinstance(text, bool):
            return f"{shown(text)} has no unit; write {self.what} with its unit, e.g. '{self.example}'"
        if match is not None and match["unit"] is None:
            return f"{shown(text)} has no unit; write {self.what} with its unit, e.g. '{self.example}'"
        known = ", ".join(self.units)
        return f"{shown(text)} is not {self.what}; write e.g. '{self.example}' (units: {known})"


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def _units(**sizes: int | str) -> Mapping[str, Fraction]:
    return MappingProxyType({name: Fraction(size) for name, size in sizes.items()})


DURATION = Dimension(
    "a duration",
    MappingProxyType(
        {
            "ns": Fraction(1, 10**9),
            "us": Fraction(1, 10**6),
            "µs": Fraction(1, 10**6),
            "ms": Fraction(1, 1000),
            "s": Fraction(1),
            "min": Fraction(60),
            "h": Fraction(3600),
            "d": Fraction(86400),
        }
    ),
    "5 ms",
    most=1e9,
)
PERIOD = Dimension("a duration", DURATION.units, "1 s", least=1e-9, most=1e9)
BIT_RATE = Dimension(
    "a bit rate",
    MappingProxyType(
        {
            "bit/s": Fraction(1),
            "kbit/s": Fraction(10**3),
            "Mbit/s": Fraction(10**6),
            "Gbit/s": Fraction(10**9),
        }
    ),
    "250 kbit/s",
    least=1.0,
)
COMPUTE = Dimension(
    "a computing speed",
    _units(FLOPS=1, kFLOPS=10**3, MFLOPS=10**6, GFLOPS=10**9, TFLOPS=10**12),
    "3.75 GFLOPS",
    least=1.0,
    most=1e21,
)
ENERGY = Dimension(
    "an energy",
    MappingProxyType(
        {
            "nJ": Fraction(1, 10**9),
            "uJ": Fraction(1, 10**6),
            "µJ": Fraction(1, 10**6),
            "mJ": Fraction(1, 1000),
            "J": Fraction(1),
            "kJ": Fraction(1000),
            "mWh": Fraction(36, 10),
            "Wh": Fraction(3600),
        }
    ),
    "2.4 uJ",
    most=1e12,
)
POWER = Dimension("a power", _units(uW="1/1000000", mW="1/1000", W=1, kW=1000), "1.4 W", most=1e9)

_PERCENT = re.compile(rf"({_NUMBER}) ?%")
FRACTION_PATTERN = f"^{_NUMBER} ?%$"


def fraction(value: object) -> float:
    """A share in 0..1, written as a percentage (`0.1 %`) or as a plain number (`0.001`).

    Raises:
        ValueError: it is neither, or outside 0..1 (0 % to 100 %).
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if 0 <= value <= 1:
            return float(value)
        raise ValueError(f"{shown(value)} is out of range; write 0 to 1, or 0 % to 100 %")
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{shown(value)} is not a share; write e.g. '0.1 %' or 0.001")
    share = float(Fraction(match[1]) / 100)
    if share > 1:
        raise ValueError(f"{shown(value)} is out of range; write 0 % to 100 %, or 0 to 1")
    return share
