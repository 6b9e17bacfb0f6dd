"""The page of a live run of a thousand nodes: how soon it is seen, how often it renews itself, how fast clicks act."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from benchmarks.table import Row
from sim import world
from sim.errors import FogFleetError
from sim.serve import Access, open_page

SCENARIO = Path("scenarios/six_cameras.yaml")
SITES = 143
NODES = SITES * 7 + 1
SIZE = (
    f"sites={SITES}",
    "samples=600",
    "data.train=48",
    "data.test=600",
    "model.training.epochs=1",
    "model.training.seed=0",
)
VISITS = 5
UPDATES_S = 10.0
ACT = """
const [name, state, button, done] = arguments, began = performance.now();
document.querySelector(button).click();
const look = () => {
  const seen = document.querySelector(`#map [aria-label^="${name},"]`).classList.contains(`s-${state}`);
  if (seen) done((performance.now() - began) / 1000);
  else if (performance.now() - began > 60000) done(60);
  else requestAnimationFrame(look);
};
look();
"""


def rows() -> Iterator[Row]:
    """All rows; run from the root of the checkout, with chromium and chromedriver installed."""
    scenario = world.load(SCENARIO, SIZE)
    world.prepare(scenario)
    telemetry = world.Telemetry()
    with tempfile.TemporaryDirectory() as folder, open_page(telemetry, Access.of("127.0.0.1", True), port=0) as page:
        thread = Thread(target=_run, args=(scenario, telemetry, Path(folder)))
        thread.start()
        try:
            _until_running(telemetry)
            with _browser(Path(folder) / "profile") as driver:
                yield from _measure(driver, page.url)
        finally:
            telemetry.stop()
            thread.join()


def _measure(driver: Any, url: str) -> Iterator[Row]:
    paints, drawn = zip(*(_visit(driver, url) for _ in range(VISITS)), strict=True)
    nodes = driver.execute_script("return document.querySelectorAll('#map [data-node]').length")
    yield Row("nodes on the page", f"{nodes}", f"{NODES}", nodes == NODES)
    first, whole = statistics.median(paints), statistics.median(drawn)
    yield Row(f"first paint, median of {VISITS}", f"{first:.2f} s", "<= 1 s", first <= 1)
    yield Row(f"the whole fleet drawn, median of {VISITS}", f"{whole:.2f} s", "<= 1 s", whole <= 1)
    before = _ticks(driver)
    time.sleep(UPDATES_S)
    rate = (_ticks(driver) - before) / UPDATES_S
    yield Row(f"updates over {UPDATES_S:.0f} s", f"{rate:.1f} a second", ">= 2 a second", rate >= 2)
    driver.set_script_timeout(90)
    driver.execute_script("document.getElementById('lasting').value = ''")
    for number in (0, 50, 100):
        name = f"site-{number}/cam.3"
        driver.execute_script(
            "document.querySelector(`#map [aria-label^='${arguments[0]},']`)"
            ".dispatchEvent(new MouseEvent('click', {bubbles: true}))",
            name,
        )
        took = driver.execute_async_script(ACT, name, "failed", "#go")
        yield Row(f"from the click on Inject to {name} shown as failed", f"{took:.2f} s", "<= 2 s", took <= 2)
        took = driver.execute_async_script(ACT, name, "active", "#active button")
        yield Row(f"from the click on Lift to {name} shown as active", f"{took:.2f} s", "<= 2 s", took <= 2)


def _visit(driver: Any, url: str) -> tuple[float, float]:
    """Seconds from the start of the visit to the first paint, and to the fleet."""
    driver.get("about:blank")
    driver.get(url)
    end_s = time.monotonic() + 60
    while time.monotonic() < end_s:
        found = driver.execute_script(
            "return [...performance.getEntriesByName('first-contentful-paint'), "
            "...performance.getEntriesByName('fleet-drawn')].map((entry) => entry.startTime / 1000)"
        )
        if len(found) >= 2:
            return found[0], found[1]
        time.sleep(0.1)
    raise TimeoutError("the page was not drawn within a minute")


def _ticks(driver: Any) -> int:
    return int(driver.execute_script("return document.body.dataset.ticks"))


def _run(scenario: Any, telemetry: world.Telemetry, folder: Path) -> None:
    world.simulate(scenario, mode="live", broker="mosquitto", telemetry=telemetry, out=folder)


def _until_running(telemetry: world.Telemetry) -> None:
    serial = 0
    while True:
        now = telemetry.wait(after=serial, timeout_s=60)
        if now is None or now.status not in ("preparing", "running"):
            raise FogFleetError(f"the run did not begin: {now.status if now else 'nothing is heard of it'}")
        if now.status == "running":
            return
        serial = now.serial


@contextmanager
def _browser(profile: Path) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver") or "chromedriver"))
    try:
        driver.set_window_size(1280, 900)
        yield driver
    finally:
        driver.quit()
