"""The drawing board: one palette, one style, and figures as PNG, as SVG files, and as SVG inside a page.

A figure is drawn with matplotlib in named colours. Inside a page those colours become CSS variables, so that the
same figure follows light and dark mode; its text stays text, so that it can be read aloud, searched and copied.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Colour name -> (light, dark). Series colours are told apart by people with any common colour vision
# (after Okabe and Ito) and keep at least 3:1 against their background; ink and muted keep 7:1 and 4.5:1.
PALETTE: Final[Mapping[str, tuple[str, str]]] = {
    "ink": ("#1d2329", "#e7eaee"),
    "muted": ("#59626d", "#a3adb9"),
    "grid": ("#dde2e8", "#333b45"),
    "paper": ("#ffffff", "#15191e"),
    "blue": ("#0a67b0", "#62aef0"),
    "orange": ("#c65a00", "#f39c4a"),
    "green": ("#0b7f62", "#3fc29d"),
    "purple": ("#9a4690", "#d993d1"),
    "gold": ("#967100", "#dcb83c"),
    "sky": ("#4a9ac4", "#8fd0f2"),
    "red": ("#c02f2c", "#ff8178"),
    "grey": ("#848d98", "#87919d"),
}
LIGHT: Final = {name: light for name, (light, _) in PALETTE.items()}
INK, MUTED, GRID, PAPER = (LIGHT[name] for name in ("ink", "muted", "grid", "paper"))

EXIT_COLOUR: Final = {
    "device": LIGHT["purple"],
    "local": LIGHT["blue"],
    "edge": LIGHT["green"],
    "cloud": LIGHT["orange"],
    "dropped": LIGHT["grey"],
}
BYTE_COLOUR: Final = {
    "payload": LIGHT["blue"],
    "header": LIGHT["gold"],
    "mqtt": LIGHT["green"],
    "tcpip": LIGHT["grey"],
    "retransmitted": LIGHT["purple"],
}
BYTE_NAME: Final = {
    "payload": "payload",
    "header": "header",
    "mqtt": "MQTT framing",
    "tcpip": "TCP/IP (estimate)",
    "retransmitted": "retransmissions",
}

_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "patch.linewidth": 0,
}
WIDE_INCHES: Final = 7.4
NARROW_INCHES: Final = 3.7
PNG_DPI: Final = 220
_NO_METADATA: Final = dict.fromkeys(("Date", "Creator", "Format", "Type"))

_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"


@dataclass(frozen=True)
class Drawing:
    """A figure and the texts that appear when the pointer rests on its marks."""

    figure: Figure
    hovers: dict[str, Sequence[str]] = field(default_factory=dict)

    def hover(self, artist: Artist, *texts: str) -> None:
        """Gives `artist` one text, or one text for each of its marks."""
        name = f"mark{len(self.hovers)}"
        artist.set_gid(name)
        self.hovers[name] = texts


@dataclass(frozen=True)
class Plot:
    """One figure of a report. `draw(wide)` draws it for a desk (True) or a phone (False)."""

    name: str
    title: str
    reading: str
    """How to read it, for someone who sees such a figure for the first time."""
    alt: str
    """What it shows, with its main figures, for someone who cannot see it."""
    draw: Callable[[bool], Drawing]

    def png(self) -> bytes:
        """The wide figure on white, for documents."""
        drawing, _ = self._wide
        with mpl.rc_context(_STYLE):
            buffer = io.BytesIO()
            drawing.figure.savefig(buffer, format="png", dpi=PNG_DPI, facecolor=PAPER, metadata={"Software": None})
        return buffer.getvalue()

    def svg(self) -> str:
        """The wide figure as a file of its own: plain colours on white, hover texts kept."""
        root = self._tree(wide=True)
        root.insert(0, ET.Element(f"{{{_SVG}}}rect", {"width": "100%", "height": "100%", "fill": PAPER}))
        return _compact(ET.tostring(root, encoding="unicode")) + "\n"

    def inline(self, *, wide: bool) -> str:
        """The figure as an element of a page: its colours are CSS variables, its ids are its own."""
        root = self._tree(wide=wide)
        for size in ("width", "height"):
            root.attrib.pop(size, None)
        root.set("class", "wide" if wide else "narrow")
        text = _compact(ET.tostring(root, encoding="unicode"))
        text = text.replace(f' xmlns="{_SVG}"', "").replace("font-family: 'DejaVu Sans'; ", "")
        for name, (light, _) in PALETTE.items():
            text = text.replace(light, f"var(--{name})")
        return text

    @cached_property
    def _wide(self) -> tuple[Drawing, bytes]:
        return self._drawn(wide=True)

    def _drawn(self, *, wide: bool) -> tuple[Drawing, bytes]:
        with mpl.rc_context({**_STYLE, "svg.hashsalt": self.name}):
            drawing = self.draw(wide)
            buffer = io.BytesIO()
            drawing.figure.savefig(buffer, format="svg", facecolor="none", metadata=_NO_METADATA)
            drawing.figure.set_layout_engine("none")  # laid out once; the PNG keeps it
        return drawing, buffer.getvalue()

    def _tree(self, *, wide: bool) -> ET.Element:
        drawing, svg = self._wide if wide else self._drawn(wide=False)
        root = ET.fromstring(svg)
        for child in [child for child in root if child.tag.endswith("metadata")]:
            root.remove(child)
        _add_hovers(root, drawing.hovers)
        _own_ids(root, f"{self.name}-{'w' if wide else 'n'}-")
        root.set("role", "img")
        root.set("aria-label", self.alt)
        return root


def figure(wide: bool, height: float, narrow_height: float | None = None, **options: Any) -> Figure:
    """An empty figure of the standard width; heights in inches."""
    inches = (WIDE_INCHES, height) if wide else (NARROW_INCHES, narrow_height or height)
    return Figure(figsize=inches, layout="constrained", facecolor="none", **options)


def percent_axis(axes: Axes, which: str = "y") -> None:
    """Labels an axis of shares in per cent."""
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(lambda value, _place: f"{100 * value:g}\u202f%")


def calm(axes: Axes, grid: Literal["x", "y", "both"] = "y") -> Axes:
    """Light grid lines; no upright frame where the grid or the marks do its work."""
    axes.grid(True, axis=grid)
    if grid != "both":
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    return axes


def _add_hovers(root: ET.Element, hovers: Mapping[str, Sequence[str]]) -> None:
    groups = {element.get("id"): element for element in root.iter(f"{{{_SVG}}}g")}
    for name, texts in hovers.items():
        group = groups.get(name)
        if group is None:
            continue
        marks = [group] if len(texts) == 1 else list(group.iter(f"{{{_SVG}}}use"))
        for mark, text in zip(marks, texts, strict=False):
            title = ET.Element(f"{{{_SVG}}}title")
            title.text = text
            mark.insert(0, title)


def _own_ids(root: ET.Element, prefix: str) -> None:
    """Gives what is referred to an id that is unique in a page of many figures; drops all other ids."""
    referred = set(re.findall(r"#([\w.-]+)", " ".join(v for e in root.iter() for k, v in e.items() if "#" in v)))
    for element in root.iter():
        if (own := element.get("id")) is not None:
            if own in referred:
                element.set("id", prefix + own)
            else:
                del element.attrib["id"]
        if link := element.attrib.pop(f"{{{_XLINK}}}href", None):
            element.set("href", f"#{prefix}{link[1:]}" if link.startswith("#") else link)
        if (clip := element.get("clip-path")) is not None:
            element.set("clip-path", clip.replace("url(#", f"url(#{prefix}"))


def _compact(text: str) -> str:
    text = re.sub(r"(-?\d+\.\d\d)\d+", r"\1", text)
    text = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", text)
    text = re.sub(r"\s*\n\s*", " ", text)
    return re.sub(r"> <", "><", text)


ET.register_namespace("", _SVG)
