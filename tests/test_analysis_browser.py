"""Reports in a real browser: they sort and filter, fit a phone and a sheet, follow dark mode, and say nothing."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import fake_run
import pytest
from browser_kit import CHROMIUM, ENVIRONMENT

from analysis import report
from analysis.drawing import PALETTE

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=9000 --dump-dom "
    "--allow-file-access-from-files"
)
PAGES = ("run", "sweep", "together")
WIDTHS = {"phone": 375, "desk": 1000, "sheet": 700}
PROBE = """
const told = {};
for (const frame of document.querySelectorAll("iframe")) {
  const page = frame.contentDocument, own = frame.contentWindow, root = page.documentElement;
  const found = told[frame.id] = {overflow: root.scrollWidth - root.clientWidth};
  found.paper = own.getComputedStyle(root).backgroundColor;
  found.text = own.getComputedStyle(page.body).color;
  found.mute = [...page.querySelectorAll("svg")].filter((svg) => !svg.getAttribute("aria-label")).length;
  found.shown = [...page.querySelectorAll(".plot")].map((plot) =>
    [...plot.querySelectorAll("svg")].filter((svg) => svg.getBoundingClientRect().width > 0).length);
  const tables = [...page.querySelectorAll("table")].filter((one) => one.querySelector("th.n"));
  const table = tables.find((one) => one.tBodies[0].rows.length > 2);
  const column = [...table.tHead.rows[0].cells].findIndex((head) => head.classList.contains("n"));
  const cells = () => [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.v);
  const values = () => cells().filter((value) => value !== "").map(Number);
  const button = table.tHead.rows[0].cells[column].querySelector("button");
  button.click(); found.down = values(); button.click(); found.up = values();
  found.sorted = table.tHead.rows[0].cells[column].getAttribute("aria-sort");
  const input = page.querySelector("input[data-filter]");
  input.value = "xyzzy"; input.dispatchEvent(new own.Event("input"));
  const rows = [...page.getElementById(input.dataset.filter).tBodies[0].rows];
  found.left = rows.filter((row) => !row.hidden).length;
  input.value = ""; input.dispatchEvent(new own.Event("input"));
  found.back = rows.filter((row) => row.hidden).length;
  own.dispatchEvent(new own.Event("beforeprint"));
  found.folded = [...page.querySelectorAll("details")].filter((one) => !one.open).length;
}
const said = document.createElement("pre");
said.id = "told"; said.textContent = JSON.stringify(told); document.body.append(said);
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with every report in a frame of every width; for the sheet with the style sheet's rules for print."""
    base = tmp_path_factory.mktemp("browser")
    run = fake_run.write_run(base / "faulty-aaaa", faulty=True)
    other = fake_run.write_run(base / "calm-cccc", threshold=0.5)
    sweep = fake_run.write_sweep(base / "sweep-bbbb", cameras=4, seeds=2)
    for name, folders in zip(PAGES, ([run], [sweep], [run, other, sweep]), strict=True):
        html = report.page_of(*folders).html()
        (base / f"{name}.html").write_text(html, encoding="utf-8")
        (base / f"{name}-sheet.html").write_text(html.replace("@media print", "@media all"), encoding="utf-8")
    frames = "".join(
        f"<iframe id={page}-{width} src={page}{'-sheet' if width == 'sheet' else ''}.html "
        f"style='border:0;width:{WIDTHS[width]}px;height:900px'></iframe>"
        for page, width in product(PAGES, WIDTHS)
    )
    (base / "all.html").write_text(f"<body>{frames}<script>addEventListener('load', () => {{{PROBE}}})</script>")
    return base


def browse(folder: Path, *flags: str) -> dict[str, dict[str, Any]]:
    """What the frames tell; the browser must not have complained."""
    command = [str(CHROMIUM), *FLAGS.split(), *flags, f"--user-data-dir={folder / 'profile'}"]
    command.append(f"file://{folder / 'all.html'}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, env=ENVIRONMENT)
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert [line for line in said if "source: chrome://" not in line] == [], "the browser has pages of its own"
    told = re.search(r'<pre id="told">(.*?)</pre>', done.stdout, re.DOTALL)
    assert told is not None, done.stdout[-2000:]
    found: dict[str, dict[str, Any]] = json.loads(told[1])
    assert set(found) == {f"{page}-{width}" for page, width in product(PAGES, WIDTHS)}
    return found


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))


@needs_chromium
def test_pages_sort_filter_fit_and_unfold(folder: Path) -> None:
    for name, told in browse(folder).items():
        assert told["overflow"] <= 0, name
        assert told["down"] == sorted(told["down"], reverse=True) and told["up"] == sorted(told["up"]), name
        assert told["sorted"] == "ascending"
        assert (told["left"], told["back"], told["folded"], told["mute"]) == (0, 0, 0, 0), name
        assert set(told["shown"]) == {1}, f"{name}: of each figure one drawing, for a desk or for a phone"


@needs_chromium
def test_pages_follow_dark_mode(folder: Path) -> None:
    for name, told in browse(folder, "--blink-settings=preferredColorScheme=0").items():
        assert told["paper"] == f"rgb{rgb(PALETTE['paper'][1])}", name
        assert told["text"] == f"rgb{rgb(PALETTE['ink'][1])}", name


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_from_their_background(side: int) -> None:
    """Text by WCAG's AAA and AA, marks by its 3:1 for graphics."""
    paper = luminance(PALETTE["paper"][side])
    least = {"ink": 7.0, "muted": 4.5, "grid": 1.0, "paper": 1.0}
    for name, pair in PALETTE.items():
        low, high = sorted((paper, luminance(pair[side])))
        assert (high + 0.05) / (low + 0.05) >= least.get(name, 3.0), name


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2."""
    parts = [value / 255 for value in rgb(colour)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in parts]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
