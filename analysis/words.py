"""How figures are written for people: percentages, bytes, times, counts, and the names of exits."""

from __future__ import annotations

import math
from typing import Final

THIN: Final = "\u202f"  # narrow no-break space: groups digits, stands before units
UNKNOWN: Final = "–"

EXIT_ORDER: Final = ("device", "local", "edge", "cloud")
EXIT_PLACE: Final = {
    "device": "on the camera",
    "local": "at the gateway",
    "edge": "at the edge section",
    "cloud": "in the cloud",
}
ROLE_ORDER: Final = ("camera", "gateway", "cloud")


def count(value: float) -> str:
    """`12 345`."""
    return UNKNOWN if not math.isfinite(value) else f"{round(value):,}".replace(",", THIN)


def number(value: float, digits: int = 4) -> str:
    """At most `digits` significant digits, never in exponents below a million."""
    if not math.isfinite(value):
        return UNKNOWN
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    if decimals > 8:
        return f"{value:.{digits - 1}e}"
    text = f"{value:,.{decimals}f}"
    return (text.rstrip("0").rstrip(".") if decimals else text).replace(",", THIN)


def percent(share: float, digits: int = 1) -> str:
    """`97.1 %` of a share 0..1."""
    if not math.isfinite(share):
        return UNKNOWN
    return f"{100 * share:.{digits}f}".removesuffix(".0") + f"{THIN}%"


def points(difference: float) -> str:
    """`+2.4 points` of a difference of two shares."""
    if not math.isfinite(difference):
        return UNKNOWN
    return f"{100 * difference:+.1f}{THIN}points".replace("-", "−")


def margin(half: float) -> str:
    """`±0.6 points` of half a confidence interval."""
    return UNKNOWN if not math.isfinite(half) else f"±{100 * half:.1f}{THIN}points"


def with_spread(mean: float, deviation: float, kind: str) -> str:
    """`95.1 ± 0.4 %` of a mean and its standard deviation; `kind` is `percent`, `size` or anything else."""
    factor, unit = {"percent": (100, "%"), "size": (1, "B")}.get(kind, (1, ""))
    digits = 1 if unit else 3
    told = f"{factor * mean:.{digits}f} ± {factor * deviation:.{digits}f}"
    return f"{told}{THIN}{unit}" if unit else told


def size(value: float) -> str:
    """Bytes with a decimal prefix: `48 B`, `12.3 kB`, `4.56 MB`."""
    if not math.isfinite(value):
        return UNKNOWN
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e4)):
        if abs(value) >= factor:
            return f"{number(value / (1e3 if unit == 'kB' else factor), 3)}{THIN}{unit}"
    return f"{number(value, 4)}{THIN}B"


def seconds(value: float) -> str:
    """`68.8 ms`, `1.2 s`, `15.5 min`, `4.2 h`, `3.5 days`."""
    if not math.isfinite(value):
        return UNKNOWN
    if 0 < abs(value) < 1e-3:
        return f"{number(value * 1e6, 3)}{THIN}µs"
    if 0 < abs(value) < 1:
        return f"{number(value * 1e3, 3)}{THIN}ms"
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if abs(value) >= 10 * length if unit == "min" else abs(value) >= 3 * length:
            return f"{number(value / length, 3)}{THIN}{unit}"
    return f"{number(value, 3)}{THIN}s"


def rate(bits_per_second: float) -> str:
    """`250 kbit/s`."""
    if not math.isfinite(bits_per_second):
        return UNKNOWN
    for unit, factor in (("Gbit/s", 1e9), ("Mbit/s", 1e6), ("kbit/s", 1e3)):
        if bits_per_second >= factor:
            return f"{number(bits_per_second / factor, 3)}{THIN}{unit}"
    return f"{number(bits_per_second, 3)}{THIN}bit/s"


def quantity(value: float, unit: str) -> str:
    """An amount in an SI unit as people write it: `24 kbit/s`, `80 s`, `4 W`; without a unit, the number."""
    writer = {"bit/s": rate, "s": seconds}.get(unit)
    if writer is not None:
        return writer(value)
    return f"{value:g}" + (f"{THIN}{unit}" if unit else "")


def joules(value: float) -> str:
    """`3.2 mJ`, `41 J`."""
    if not math.isfinite(value):
        return UNKNOWN
    for unit, factor in (("kJ", 1e4), ("J", 1.0), ("mJ", 1e-3), ("µJ", 0.0)):
        if abs(value) >= factor:
            scale = {"kJ": 1e-3, "J": 1.0, "mJ": 1e3, "µJ": 1e6}[unit]
            return f"{number(value * scale, 3)}{THIN}{unit}" if value else f"0{THIN}J"
    return UNKNOWN


def watts(value: float) -> str:
    """`300 mW`, `1.4 W`."""
    if not math.isfinite(value):
        return UNKNOWN
    return f"{number(value, 3)}{THIN}W" if abs(value) >= 1 or not value else f"{number(value * 1e3, 3)}{THIN}mW"


def times(value: float) -> str:
    """`64×` of a factor."""
    if not math.isfinite(value):
        return UNKNOWN
    return f"{number(value, 2 if value < 10 else 3) if value < 100 else count(value)}×"


def counted(number: int, what: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def joined(parts: list[str]) -> str:
    """`a, b and c`."""
    return " and ".join([*([", ".join(parts[:-1])] if parts[:-1] else []), *parts[-1:]])


def ordered_exits(names: object) -> list[str]:
    """Exit names from the camera up to the cloud; unknown ones last."""
    known = {name: place for place, name in enumerate(EXIT_ORDER)}
    listed = [str(name) for name in names] if isinstance(names, list | tuple | set | dict) else []
    return sorted(listed, key=lambda name: (known.get(name, len(known)), name))


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sorting key under which `cam.2` comes before `cam.10`."""
    parts = name.replace("-", ".").split(".")
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
