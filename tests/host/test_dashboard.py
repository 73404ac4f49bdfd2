"""The dashboard's requests, on a fake board's real pseudo-terminal: who gets what."""

import http.client
import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from desk import PROGRAM, Desk, bulkhead
from fake_board import FakeBoard, FakeLine
from processes import started

from bulkhead_host import abi
from bulkhead_host.dashboard.hub import Hub
from bulkhead_host.dashboard.server import SILENT_MAX
from bulkhead_host.link.client import Client
from bulkhead_host.link.facts import Facts, read_facts

JSON = {"Content-Type": "application/json"}
TIMEOUT_S = 300


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer that has been read."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Browser:
    """What a browser does with the printed address: it keeps the cookie."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def asked(
        self, path: str, *, body: object = None, headers: dict[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        parts = urlsplit(self.url)
        assert parts.hostname == "127.0.0.1"
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
        data = None if body is None else json.dumps(body)
        method = "GET" if body is None else "POST"
        connection.request(method, path, data, {**self.headers, **(headers or {})})
        with closing(connection), connection.getresponse() as response:
            yield response

    def ask(
        self, path: str, *, body: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        with self.asked(path, body=body, headers=headers) as response:
            return Answer(status=response.status, headers=response.headers, body=response.read())

    def enter(self) -> None:
        answer = self.ask("/?" + urlsplit(self.url).query)
        assert answer.status == 303
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        self.headers["Cookie"] = cookie.partition(";")[0]

    def do(self, service: object, word: object) -> Answer:
        return self.ask("/act", body={"service": service, "do": word}, headers=JSON)


@pytest.fixture
def stranger(desk: Desk) -> Iterator[Browser]:
    with started([PROGRAM, "dashboard", "--port", desk.port]) as program:
        assert program.stdout is not None
        yield Browser(url=program.stdout.readline().strip())


@pytest.fixture
def browser(stranger: Browser) -> Browser:
    stranger.enter()
    return stranger


@pytest.mark.parametrize(
    "path", ["/", "/?token=guess", "/dashboard.js", "/events", "/trace", "/?token=%C3%A9"]
)
def test_without_the_token_there_is_nothing(stranger: Browser, path: str) -> None:
    answer = stranger.ask(path)
    assert answer.status == 403
    assert "error" in answer.json


def test_nothing_is_done_for_a_stranger(stranger: Browser, desk: Desk) -> None:
    assert stranger.do("blink", "crash").status == 403
    assert desk.board.injections == []


def test_the_page_loads_nothing_from_elsewhere(browser: Browser) -> None:
    page = browser.ask("/")
    assert page.status == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert b"http" not in page.body
    whole = page.body + browser.ask("/dashboard.js").body
    for name in ("dashboard.js", "dashboard.css", "draw.js", "trace.js"):
        assert name.encode() in whole
        assert browser.ask("/" + name).status == 200


def test_another_sites_name_for_this_machine_is_refused(browser: Browser) -> None:
    assert browser.ask("/", headers={"Host": "rebound.example"}).status == 400


def test_events_tell_the_board_its_services_and_its_log(browser: Browser) -> None:
    found: dict[str, Any] = {}
    with browser.asked("/events") as response:
        while not {"kinds", "board", "table"} <= found.keys():
            name = response.readline().decode().removeprefix("event: ").strip()
            found[name] = json.loads(response.readline().decode().removeprefix("data: "))
            response.readline()
    assert found["board"]["application"] == "demo"
    assert [one["name"] for one in found["table"]["services"]][:2] == ["supervisor", "logger"]
    assert "crash" in found["kinds"]


def test_buttons_inject_and_control(browser: Browser, desk: Desk) -> None:
    assert browser.do("blink", "spin").json == {"done": "spin: blink"}
    assert browser.do("led", "hold").json == {"done": "hold: led"}
    assert desk.board.injections == [("blink", "spin")]
    assert desk.board.controls == [("led", "hold")]


@pytest.mark.parametrize(
    ("service", "word", "status"),
    [("blinky", "crash", 409), ("blink", "crush", 400), (["blink"], "crash", 400)],
)
def test_what_cannot_be_done_is_said(
    browser: Browser, desk: Desk, service: object, word: str, status: int
) -> None:
    answer = browser.do(service, word)
    assert answer.status == status
    assert answer.json["error"]
    assert desk.board.injections == []


def test_a_form_of_another_site_changes_nothing(browser: Browser, desk: Desk) -> None:
    body = {"service": "blink", "do": "crash"}
    plain = browser.ask("/act", body=body, headers={"Content-Type": "text/plain"})
    assert plain.status == 415
    assert browser.ask("/act", body=["blink"], headers=JSON).status == 400
    assert desk.board.injections == []


def test_a_page_of_another_origin_changes_nothing(browser: Browser, desk: Desk) -> None:
    body = {"service": "blink", "do": "crash"}
    own = browser.url.partition("/?")[0]
    for origin in ("http://x.example", "http://127.0.0.1:1", "null", own + "0"):
        headers = {**JSON, "Origin": origin}
        assert browser.ask("/act", body=body, headers=headers).status == 403
        assert browser.ask("/trace?seconds=0", headers=headers).status == 403
    assert desk.board.injections == []
    assert browser.ask("/act", body=body, headers={**JSON, "Origin": own}).status == 200


def test_connections_that_ask_nothing_keep_nobody_out(browser: Browser) -> None:
    parts = urlsplit(browser.url)
    address = (parts.hostname or "", parts.port or 0)
    with ExitStack() as held:
        silent = held.enter_context(socket.create_connection(address, timeout=TIMEOUT_S))
        silent.sendall(b"GET / HTTP/1.1\r\nX: ")
        for _ in range(SILENT_MAX // 2):
            held.enter_context(socket.create_connection(address))
        for _ in range(2000):
            socket.create_connection(address).close()
        assert browser.ask("/").status == 200
        with suppress(ConnectionError):
            assert silent.recv(1) == b""  # it was hung up on


@pytest.mark.parametrize("seconds", ["-1", "60", "nan", "x"])
def test_a_trace_of_no_length_is_refused(browser: Browser, seconds: str) -> None:
    assert browser.ask(f"/trace?seconds={seconds}").status == 400


def test_without_a_board_it_says_so_and_ends() -> None:
    done = bulkhead("dashboard", port="/dev/nowhere")
    assert (done.returncode, done.stdout) == (3, "")


def test_a_port_that_is_taken_is_named(desk: Desk, stranger: Browser) -> None:
    done = bulkhead("dashboard", "--listen", str(urlsplit(stranger.url).port), port=desk.port)
    assert done.returncode == 4


def test_ctrl_c_is_how_it_is_ended(desk: Desk) -> None:
    with started([PROGRAM, "dashboard", "--port", desk.port]) as dashboard:
        assert dashboard.stdout is not None
        dashboard.stdout.readline()
        dashboard.send_signal(signal.SIGINT)
        assert dashboard.wait(TIMEOUT_S) == 0


def test_facts_and_history_are_there_for_who_comes_later(browser: Browser, desk: Desk) -> None:
    found: dict[str, Any] = {}
    with browser.asked("/events") as response:
        while not {"facts", "history", "point"} <= found.keys():
            name = response.readline().decode().removeprefix("event: ").strip()
            found[name] = json.loads(response.readline().decode().removeprefix("data: "))
            response.readline()
    assert found["facts"]["heap_free"] == desk.board.heap_free
    assert found["facts"]["last_run"] == "power-on"
    assert found["point"]["cpu"].keys() == found["point"]["queue"].keys()
    assert "blink" in found["point"]["cpu"]


def test_the_text_of_a_fault_is_told_and_that_of_no_fault_is_empty(
    browser: Browser, desk: Desk
) -> None:
    assert "Traceback of blink" in browser.ask("/fault?service=blink").json["text"]
    assert browser.ask("/fault?service=nobody").json["text"] == ""


def test_a_thermometer_that_may_not_be_asked_is_asked_once(desk: Desk) -> None:
    table = Client(FakeLine(desk.board)).table()
    desk.board.answers["thermometer", 1] = (abi.OK, 2705)
    client = Client(FakeLine(desk.board))
    assert read_facts(client, table, Facts()).celsius == 27.05
    desk.board.services = [one for one in desk.board.services if one.name != "thermometer"]
    found = read_facts(client, table, Facts())
    assert (found.celsius, found.may_call) == (None, False)


def test_a_board_that_does_not_answer_yet_is_asked_again() -> None:
    board = FakeBoard()
    board.is_deaf = True
    lines = [FakeLine(board), FakeLine(board)]
    told: list[tuple[str, Any]] = []
    is_shown = threading.Event()

    def listen(event: tuple[str, Any]) -> None:
        told.append(event)
        if event[0] == "table":
            is_shown.set()

    def again() -> FakeLine:
        board.is_deaf = False
        return lines.pop()

    with Hub(lines.pop, reconnect=again) as hub:
        hub.listen(listen)
        assert is_shown.wait(TIMEOUT_S)
    assert any(name == "notice" and "asking again" in str(text) for name, text in told)
