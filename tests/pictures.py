"""`make pictures`: what the views show of the greenhouse, to be looked at by a person.

A headless Chromium takes the dashboard, on a desk and on a phone, light and dark, with a trace,
the graph, and the page of a short campaign; tmux takes `top` at 80 by 24. They go to
build/pictures. It fails where a view is empty, or a page is wider than its screen.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomlkit
from processes import started
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.chrome.webdriver import WebDriver as Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from bulkhead_host.commands.build import BuildOptions, build
from bulkhead_host.image.packages import Purpose, has_program, install_missing
from bulkhead_host.paths import source_root

PROGRAM = str(source_root() / ".venv" / "bin" / "bulkhead")
APP = source_root() / "services" / "examples" / "greenhouse"
FOLDER = source_root() / "build" / "pictures"
PACKAGES = {
    "chromium": has_program("chromium"),
    "chromium-driver": has_program("chromedriver"),
    "tmux": has_program("tmux"),
}
PURPOSE = Purpose(what="taking pictures", instead="take them on Debian")
TIMEOUT_S = 300
TRIALS = 12
SCREENS = {"desk": (1380, 1500), "phone": (400, 2600)}
ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")


def main() -> None:
    """Take all pictures."""
    install_missing(PACKAGES, purpose=PURPOSE, progress=print)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "greenhouse.uf2"
        build(BuildOptions(application=APP, output=image))
        port = f"{folder}/pico"
        desk = ["--desk", str(APP / "desk.py"), "--image", str(image), "--link", port]
        with started([PROGRAM, "sim", *desk]) as sim:
            assert sim.stdout is not None
            sim.stdout.readline()
            take_top(port)
            take_graph(port)
            take_trace(port)
            with started([PROGRAM, "dashboard", "--app", str(APP), "--port", port]) as dashboard:
                assert dashboard.stdout is not None
                take_dashboard(dashboard.stdout.readline().strip())
        take_campaign(Path(folder))
    for picture in sorted(FOLDER.iterdir()):
        print(picture.relative_to(source_root()))


def take_dashboard(url: str) -> None:
    """Take the page on each screen, light and dark."""
    with chromium() as page:
        page.get(url)
        until(page, lambda: len(page.find_elements(By.CSS_SELECTOR, "#services tr")) == 22)
        until(page, lambda: "KB" in page.find_element(By.ID, "heap").text)
        page.find_element(By.CSS_SELECTOR, '#services tr[data-name="gardener"]').click()
        page.find_element(By.ID, "inject").click()
        page.find_element(By.CSS_SELECTOR, '#sure [value="yes"]').click()
        until(page, lambda: "gardener faulted" in page.find_element(By.ID, "log").text)
        page.find_element(By.ID, "record").click()
        until(page, lambda: page.find_elements(By.CSS_SELECTOR, "#trace .slice"))
        save_all(page, "dashboard")
        page.find_element(By.CSS_SELECTOR, '#services tr[data-name="gardener"]').click()
        until(page, lambda: "Injected" in page.find_element(By.ID, "service-fault").text)
        save(page, "dashboard-phone-service.png")


def take_campaign(folder: Path) -> None:
    """Take the page of a campaign of a few faults."""
    plan = tomlkit.parse((APP / "faults.toml").read_text(encoding="utf-8"))
    plan["campaign"] |= {"application": str(APP), "desk": str(APP / "desk.py"), "count": TRIALS}
    file, report = folder / "faults.toml", folder / "campaign.html"
    file.write_text(tomlkit.dumps(plan), encoding="utf-8")
    subprocess.run([PROGRAM, "campaign", str(file), "--html", str(report)], check=True)
    with chromium() as page:
        page.get(report.as_uri())
        save_all(page, "campaign")


def take_graph(port: str) -> None:
    """Take the graph of who calls whom."""
    drawing = FOLDER / "graph.svg"
    done = [PROGRAM, "graph", "--seconds", "1", "-o", str(drawing), "--port", port]
    subprocess.run(done, check=True)
    with chromium() as page:
        page.set_window_size(1800, 1200)
        page.get(drawing.as_uri())
        page.save_screenshot(str(FOLDER / "graph.png"))


def take_trace(port: str) -> None:
    """Keep a trace for Perfetto."""
    done = [PROGRAM, "trace", "--app", str(APP), "-o", str(FOLDER / "trace.json")]
    subprocess.run([*done, "--port", port], check=True)


def take_top(port: str) -> None:
    """Take `top` as tmux shows it, as text, with its help and scrolled down."""
    with tempfile.TemporaryDirectory() as folder:
        tmux = ["tmux", "-S", f"{folder}/tmux"]
        new = [*tmux, "new-session", "-d", "-x", "80", "-y", "24"]
        subprocess.run([*new, PROGRAM, "top", "--sort", "priority", "--port", port], check=True)
        try:
            look(tmux, "top.txt", lambda text: "free heap" in text and "CPU   ..." not in text)
            subprocess.run([*tmux, "send-keys", *["Down"] * 21], check=True)
            look(tmux, "top-down.txt", lambda text: "-22 of 22" in text)
            subprocess.run([*tmux, "send-keys", "?"], check=True)
            look(tmux, "top-help.txt", lambda text: "counts as no fault" in text)
        finally:
            subprocess.run([*tmux, "kill-server"], check=False)


def look(tmux: list[str], name: str, is_there: Callable[[str], bool]) -> None:
    """Wait until a screen is as wanted, and keep it."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while True:
        pane = [*tmux, "capture-pane", "-p"]
        text = subprocess.run(pane, check=True, capture_output=True, text=True).stdout
        if is_there(text):
            break
        assert time.monotonic() < deadline_s, text
        time.sleep(0.3)
    (FOLDER / name).write_text(text, encoding="utf-8")


@contextmanager
def chromium() -> Iterator[Chrome]:
    """Give a browser that nobody sees."""
    options = Options()
    options.binary_location = shutil.which("chromium") or ""
    with tempfile.TemporaryDirectory() as folder:
        for argument in (*ARGUMENTS, f"--user-data-dir={folder}"):
            options.add_argument(argument)
        with Chrome(options=options, service=Service(shutil.which("chromedriver"))) as driver:
            yield driver


def until(page: Chrome, is_there: Callable[[], Any]) -> None:
    """Wait until something holds."""
    WebDriverWait(page, TIMEOUT_S).until(lambda _: is_there())


def save_all(page: Chrome, name: str) -> None:
    """Keep a page on each screen, light and dark."""
    for screen, size in SCREENS.items():
        page.set_window_size(*size)
        for scheme in ("light", "dark"):
            feature = {"name": "prefers-color-scheme", "value": scheme}
            page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
            page.execute_script("window.scrollTo(0, 0)")
            save(page, f"{name}-{screen}-{scheme}.png")


def save(page: Chrome, name: str) -> None:
    """Keep what the page shows; fail where one would have to scroll sideways."""
    wide = page.execute_script("return document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{name}: {wide} pixels too wide"
    page.save_screenshot(str(FOLDER / name))


if __name__ == "__main__":
    main()
