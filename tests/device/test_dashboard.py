"""The dashboard's page in headless Chromium, on an emulated Pico that runs the demo."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import PROGRAM
from processes import started
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver as Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from bulkhead_host.campaign.judge import Result
from bulkhead_host.campaign.page import page as page_of
from bulkhead_host.campaign.plan import Campaign, FaultKind
from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.emulator import EmulatedBoard
from bulkhead_host.emulator.ports import PtyPort
from bulkhead_host.emulator.server import BoardServer
from bulkhead_host.image.cache import locked
from bulkhead_host.image.packages import Purpose, has_program, install_missing
from bulkhead_host.paths import cache_dir

TIMEOUT_S = 300
PACKAGES = {"chromium": has_program("chromium"), "chromium-driver": has_program("chromedriver")}
PURPOSE = Purpose(what="testing the dashboard", instead="test on Debian")
# The last four keep it from asking the network for what nobody here wants.
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
    *("--disable-quic", "--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with locked(cache_dir() / "build.lock"):
        install_missing(PACKAGES, purpose=PURPOSE, progress=print)
    options = Options()
    options.binary_location = shutil.which("chromium") or ""
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(argument)
    service = Service(shutil.which("chromedriver"))
    with Chrome(options=options, service=service) as driver:
        yield driver


@pytest.fixture(scope="module")
def page(chromium: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    folder = tmp_path_factory.mktemp("dashboard")
    image = folder / "demo.uf2"
    build(BuildOptions(output=image))
    server = BoardServer(EmulatedBoard(image=image), PtyPort(link=folder / "pico"))
    with server, started([PROGRAM, "dashboard", "--port", server.port.name]) as dashboard:
        assert dashboard.stdout is not None
        chromium.get(dashboard.stdout.readline().strip())
        wait_for(chromium, "#services tr")
        yield chromium


def wait_for(page: Chrome, selector: str, text: str = "") -> None:
    """Wait until an element is there and has `text`."""
    WebDriverWait(page, TIMEOUT_S).until(
        lambda _: any(text in one.text for one in page.find_elements(By.CSS_SELECTOR, selector))
    )


def cell(name: str, column: int) -> str:
    """Return the selector of a service's column, from 1."""
    return f'#services tr[data-name="{name}"] td:nth-child({column})'


def text_of(page: Chrome, selector: str) -> str:
    return page.find_element(By.CSS_SELECTOR, selector).text


def do(page: Chrome, name: str, word: str) -> None:
    """Open a service, choose what to do to it, and say yes to the question."""
    page.find_element(By.CSS_SELECTOR, f'#services tr[data-name="{name}"]').click()
    buttons = page.find_elements(By.CSS_SELECTOR, f'#service [data-do="{word}"]')
    if not buttons:
        Select(page.find_element(By.ID, "kind")).select_by_visible_text(word)
        buttons = [page.find_element(By.ID, "inject")]
    buttons[0].click()
    page.find_element(By.CSS_SELECTOR, '#sure [value="yes"]').click()
    wait_for(page, "#answer", f"{word}: {name}")


def test_the_services_of_the_board_are_shown_live(page: Chrome) -> None:
    assert page.title == "demo: Bulkhead"
    assert "token" not in page.current_url
    names = [one.text for one in page.find_elements(By.CSS_SELECTOR, "#services td:first-child")]
    assert names[:3] == ["supervisor", "logger", "console"]
    wait_for(page, cell("supervisor", 4), ".")  # its share of the time, after two tables
    assert page.find_elements(By.CSS_SELECTOR, f"{cell('supervisor', 5)} polyline")
    wait_for(page, "#heap", "KB")
    wait_for(page, "#last-run", "reset:")


def test_a_button_makes_a_service_fail_and_the_page_shows_it_come_back(page: Chrome) -> None:
    before = int(text_of(page, cell("blink", 8)))
    do(page, "blink", "crash")
    wait_for(page, cell("blink", 8), str(before + 1))
    assert text_of(page, cell("blink", 10)) == "EXCEPTION"
    wait_for(page, "#log", "blink faulted: EXCEPTION")
    page.find_element(By.CSS_SELECTOR, '#services tr[data-name="blink"]').click()
    wait_for(page, "#service-fault", "InjectedCrash")
    page.find_element(By.CSS_SELECTOR, "#service form button").click()


def test_nothing_is_done_where_the_question_is_answered_with_no(page: Chrome) -> None:
    before = text_of(page, cell("led", 9))
    page.find_element(By.CSS_SELECTOR, '#services tr[data-name="led"]').click()
    page.find_element(By.CSS_SELECTOR, '#service [data-do="restart"]').click()
    page.find_element(By.CSS_SELECTOR, '#sure [value="no"]').click()
    page.find_element(By.CSS_SELECTOR, "#service form button").click()
    assert text_of(page, cell("led", 9)) == before


def test_the_log_is_filtered_by_service_level_and_words(page: Chrome) -> None:
    def lines() -> list[str]:
        script = "return [...document.querySelectorAll('#log span')].map(one => one.textContent)"
        found: list[str] = page.execute_script(script)  # at one moment: lines come at any
        return found

    page.find_element(By.ID, "log-words").send_keys("FAULTED")
    assert lines()
    assert all("faulted" in line for line in lines())
    Select(page.find_element(By.ID, "log-service")).select_by_visible_text("led")
    assert lines() == []
    Select(page.find_element(By.ID, "log-service")).select_by_visible_text("all")
    page.find_element(By.ID, "log-words").clear()


def test_a_service_is_held_and_released(page: Chrome) -> None:
    do(page, "led", "hold")
    WebDriverWait(page, TIMEOUT_S).until(
        lambda _: page.find_elements(By.CSS_SELECTOR, f"{cell('led', 3)}.stopped")
    )
    do(page, "led", "release")
    wait_for(page, cell("led", 3), "receiving")


def test_a_trace_is_drawn(page: Chrome) -> None:
    page.find_element(By.ID, "record").click()
    wait_for(page, "#trace-text", "slices")
    assert page.find_elements(By.CSS_SELECTOR, "#trace .slice")
    tracks = [one.text for one in page.find_elements(By.CSS_SELECTOR, "#trace .track")]
    assert any(track.endswith("blink") for track in tracks)
    assert text_of(page, "#trace .time") == "0 ms"
    before = page.execute_script("return document.querySelector('#trace svg').clientWidth")
    page.find_element(By.ID, "closer").click()
    after = page.execute_script("return document.querySelector('#trace svg').clientWidth")
    assert after > 1.5 * before


def test_the_page_complains_of_nothing(page: Chrome) -> None:
    assert page.execute("getLog", {"type": "browser"})["value"] == []


def test_the_report_of_a_campaign_is_filtered_and_sorted(chromium: Chrome, tmp_path: Path) -> None:
    slow = Result(index=0, kind="spin", target="led", recovery_ms=900.5)
    quick = Result(index=1, kind="crash", target="led", recovery_ms=9.5, evidence=("a fault",))
    bad = Result(index=2, kind="spin", target="blink", violations=("blink was not back",))
    report = tmp_path / "report.html"
    faults = (FaultKind(kind="spin"), FaultKind(kind="crash"))
    report.write_text(page_of(Campaign(faults=faults, count=3, name="c"), [slow, quick, bad]))
    chromium.get(report.as_uri())

    def shown() -> str:
        rows = chromium.find_elements(By.CSS_SELECTOR, "#faults tbody tr")
        return "".join(row.text[0] for row in rows if row.is_displayed())

    assert shown() == "012"
    heading = chromium.find_element(By.CSS_SELECTOR, "#faults th:nth-child(6)")
    heading.click()
    assert shown() == "102"
    heading.click()
    assert shown() == "012"
    chromium.find_element(By.ID, "words").send_keys("spin led")
    assert shown() == "0"
    chromium.find_element(By.ID, "words").clear()
    chromium.find_element(By.ID, "only").click()
    assert shown() == "2"
    row = chromium.find_element(By.CSS_SELECTOR, "#faults tr.violated")
    row.find_element(By.TAG_NAME, "summary").click()
    assert "--replay 2" in row.text
    width = chromium.execute_script("return document.documentElement.scrollWidth - innerWidth")
    assert width <= 0
