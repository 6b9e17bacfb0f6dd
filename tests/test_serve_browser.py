"""The page of a run as a person meets it, in a real browser: seen, clicked, on a phone, with the keyboard alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_kit import browser, complaints, needs_browser, resize
from serve_kit import FakeRun

pytest.importorskip("tornado")
pytest.importorskip("selenium")

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from sim.serve import Access, Page, open_page

PATIENCE_S = 90
pytestmark = needs_browser


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def page() -> Iterator[Page]:
    with FakeRun(samples=100_000) as run, open_page(run.telemetry, Access("a-token-for-the-tests"), port=0) as page:
        yield page


def until(driver: Any, there: Callable[[], Any], what: str) -> Any:
    """Waits for something to be true on the page."""
    return WebDriverWait(driver, PATIENCE_S, poll_frequency=0.05).until(lambda _: there(), what)


def node(driver: Any, name: str) -> Any:
    return driver.find_element(By.CSS_SELECTOR, f'#map [aria-label^="{name},"]')


def see(driver: Any, page: Page) -> None:
    driver.get("about:blank")
    complaints(driver)  # those about the page of the test before, whose server is gone
    driver.get(page.url)
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#map [data-node]"), "no fleet is drawn")
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#kind option"), "no kinds are offered")
    # The fleet is drawn again where it makes the page so long that the scroll bar takes some of its width.
    driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


def test_a_fault_by_click_shows_its_effect_and_is_lifted_by_click(driver: Any, page: Page) -> None:
    resize(driver, 1280, 900)
    see(driver, page)
    assert "token" not in driver.current_url, "it would stay in the history"
    assert driver.find_element(By.ID, "status").text == "running"
    node(driver, "site-0/cam.3").click()
    assert driver.find_element(By.ID, "target").get_attribute("value") == "site-0/cam.3"
    Select(driver.find_element(By.ID, "lasting")).select_by_visible_text("until lifted")
    assert driver.find_element(By.ID, "yaml").text == "{kind: crash, target: site-0/cam.3}"
    driver.find_element(By.ID, "go").click()
    until(driver, lambda: "s-failed" in node(driver, "site-0/cam.3").get_attribute("class"), "it does not fail")
    assert "failed" in node(driver, "site-0/cam.3").get_attribute("aria-label")
    lift = until(driver, lambda: driver.find_element(By.CSS_SELECTOR, "#active button"), "there is no way back")
    assert lift.get_attribute("aria-label") == "Lift crash on site-0/cam.3"
    assert driver.find_element(By.ID, "t-faults").text == "1"
    lift.click()
    until(driver, lambda: "s-active" in node(driver, "site-0/cam.3").get_attribute("class"), "it does not recover")
    until(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#c-accuracy rect.band"), "the chart forgets the fault")
    assert complaints(driver) == []


def test_a_refusal_is_told_beside_the_button(driver: Any, page: Page) -> None:
    see(driver, page)
    target = driver.find_element(By.ID, "target")
    target.clear()
    target.send_keys("cam.99", Keys.ENTER)
    told = until(driver, lambda: driver.find_element(By.ID, "refused").text, "nothing is said")
    assert "'cam.99'" in told
    assert all("409" in message for message in complaints(driver)), "the browser notes the refused request itself"


def test_the_keyboard_alone_will_do(driver: Any, page: Page) -> None:
    see(driver, page)
    driver.execute_script("document.querySelector('#map [tabindex=\"0\"]').focus()")
    driver.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert driver.find_element(By.ID, "target").get_attribute("value") == "site-0/cam.1"
    until(driver, lambda: "site-0/cam.1: camera" in driver.find_element(By.ID, "told").text, "it is not told about")


def test_it_fits_a_phone_and_says_when_the_run_is_over(driver: Any) -> None:
    resize(driver, 360, 740)
    with (
        FakeRun(speed=20.0, samples=60) as run,
        open_page(run.telemetry, Access("a-token-for-the-tests"), port=0) as page,
    ):
        see(driver, page)
        until(driver, lambda: driver.find_element(By.ID, "status").text == "complete", "it does not end")
        until(driver, lambda: "runs/fake/run-1" in driver.find_element(By.ID, "told").text, "the folder is not told")
        sizes = driver.execute_script("const d = document.documentElement; return [d.scrollWidth, d.clientWidth]")
        assert sizes[0] <= sizes[1] == 360
        assert not driver.find_element(By.ID, "go").is_enabled()
        small = (
            "return [...document.querySelectorAll('button, select, input')].filter((e) => e.offsetHeight < 33).length"
        )
        assert driver.execute_script(small) == 0, "fingers are not needles"
        assert complaints(driver) == []
    resize(driver, 1280, 900)


def test_a_run_that_takes_no_faults_offers_none(driver: Any) -> None:
    with (
        FakeRun(samples=100_000) as run,
        open_page(run.telemetry, Access("a-token-for-tests"), port=0, faults=False) as page,
    ):
        see(driver, page)
        assert driver.find_element(By.ID, "look-only").is_displayed()
        assert not driver.find_element(By.ID, "go").is_displayed()
        assert complaints(driver) == []


def test_a_thousand_nodes_are_drawn_and_kept_up_to_date(driver: Any, tmp_path: Path) -> None:
    with (
        FakeRun(sites=143, samples=100_000) as run,
        open_page(run.telemetry, Access("a-token-for-tests"), port=0) as page,
    ):
        see(driver, page)
        assert len(driver.find_elements(By.CSS_SELECTOR, "#map [data-node]")) == 143 * 7 + 1
        first = int(driver.execute_script("return document.body.dataset.ticks"))
        until(
            driver,
            lambda: int(driver.execute_script("return document.body.dataset.ticks")) >= first + 3,
            "it stands still",
        )
        node(driver, "site-100/gw").click()
        until(driver, lambda: "site-100/gw" in driver.find_element(By.ID, "told").text, "it cannot be chosen")
        assert complaints(driver) == []
