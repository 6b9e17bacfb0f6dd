"""The page of a report: its parts as plain data, and how they become one self-contained HTML file."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Final
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from analysis.drawing import PALETTE, Plot
from analysis.tables import Table

_HERE: Final = Path(__file__).parent / "template"

GLOSSARY: Final = (
    ("accuracy", "Share of captured samples whose verdict equals the label. A dropped sample counts as wrong."),
    ("aggregation", "How the inputs of several nodes merge: max, mean or concat (the paper's MP, AP, CC)."),
    ("Eq. 1", "c = 4·|C| + (1 − l)·f·o/8: payload bytes per camera and sample, for |C| classes, a share l that leaves "
     "at the local exit, f filters and o output bits a filter."),
    ("exit", "A place where a sample may be classified: device (on the camera), local (at the gateway), edge, cloud."),
    ("fate", "How a message ended (delivered, or lost and why) and how a sample ended (its exit, or dropped and why)."),
    ("MQTT framing", "Everything MQTT adds: fixed header, topic, packet identifier, properties and acknowledgements, "
     "from publisher to broker and from broker to subscriber."),
    ("normalised entropy η", "−Σ p·ln p / ln |C|: 0 when the network is certain, 1 when every class is as likely."),
    ("raw offload", "Sending every image to the cloud: 3 × 32 × 32 bytes per camera and sample."),
    ("TCP/IP (estimate)", "Segments and acknowledgements at 52 bytes each; what is really sent depends on coalescing."),
    ("threshold T", "A sample leaves at an exit when its normalised entropy is below T."),
)  # fmt: skip


@dataclass(frozen=True)
class Tile:
    """One headline figure."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Expectation:
    """One line of `expect:` with its outcome; `ok` is None where it could not be judged."""

    what: str
    bound: str
    value: str
    ok: bool | None


@dataclass(frozen=True)
class Link:
    """The way to another file."""

    text: str
    file: Path


@dataclass(frozen=True)
class Section:
    """A chapter: one sentence that says what was found, then figures and tables, and where there is more."""

    key: str
    title: str
    finding: str
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    link: Link | None = None


@dataclass(frozen=True)
class Page:
    """Everything that a report says."""

    title: str
    subtitle: str
    verdict: str
    tiles: Sequence[Tile]
    sections: Sequence[Section]
    facts: Sequence[tuple[str, str]]
    command: str = ""
    expectations: Sequence[Expectation] = ()
    warnings: Sequence[str] = ()
    glossary: Sequence[tuple[str, str]] = field(default=GLOSSARY)

    @property
    def plots(self) -> list[Plot]:
        """All figures, in order."""
        return [plot for section in self.sections for plot in section.plots]

    @property
    def tables(self) -> list[Table]:
        """All tables, in order."""
        return [table for section in self.sections for table in section.tables]

    def html(self, at: Path = Path()) -> str:
        """One HTML document that needs nothing from outside; `at` is the folder it will lie in."""
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True,
            undefined=jinja2.StrictUndefined, keep_trailing_newline=True,
        )  # fmt: skip
        return environment.get_template("report.html.j2").render(
            page=self,
            style=Markup(_colours() + (_HERE / "style.css").read_text(encoding="utf-8")),
            script=Markup((_HERE / "tables.js").read_text(encoding="utf-8")),
            svg=lambda plot, wide: Markup(plot.inline(wide=wide)),
            way=lambda link: quote(Path(os.path.relpath(link.file.resolve(), at.resolve())).as_posix()),
        )


def listed(values: Any) -> str:
    """Nested values of a record as one line: `python 3.11.7, torch 2.6`."""
    if isinstance(values, Mapping):
        return ", ".join(f"{key} {listed(value)}" for key, value in values.items() if value is not None)
    if isinstance(values, Sequence) and not isinstance(values, str):
        return "/".join(map(str, values))
    return str(values)


def shell_line(argv: Sequence[object] | None) -> str:
    """A recorded command line, ready to be pasted into a shell."""
    parts = [str(part) for part in argv or []]
    if parts and PurePath(parts[0]).name in ("fogfleet", "__main__.py"):
        parts = parts[1:]
    return shlex.join(["fogfleet", *parts]) if parts else ""


def _colours() -> str:
    light, dark = (";".join(f"--{name}:{pair[side]}" for name, pair in PALETTE.items()) for side in (0, 1))
    return (
        f":root{{color-scheme:light dark;{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
    )
