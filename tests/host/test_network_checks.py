"""`bulkhead check` on the network: `net` alone has it, and manifests say whom they reach."""

from pathlib import Path
from typing import Any

import pytest
from small_system import application

from bulkhead_host.image.application import system_files
from bulkhead_host.paths import source_root
from bulkhead_host.system.destinations import is_host
from bulkhead_host.system.examine import examine, load_system
from bulkhead_host.system.generate import system_source
from bulkhead_host.system.imports import SERVICE, is_allowed, with_companions

SHIPPED = (source_root() / "services" / "net" / "service.toml").read_text()
CLIENT = '[net]\ntcp = ["10.0.2.2:80"]\n[uses]\nnet = ["call"]\n'


def with_net(folder: Path, client: str, *, notified: str = '"*"') -> Path:
    """Write an application with net and one client, `one`."""
    application(folder, one=client)
    (folder / "net").mkdir()
    (folder / "net" / "service.toml").write_text(SHIPPED.replace('"*" = ["n', f'{notified} = ["n'))
    system = folder / "system.toml"
    started = system.read_text().replace('"one"', '"logger", "console", "net", "one"')
    system.write_text(started + '[resistors]\ngp0 = "up"\n')
    return folder


def texts(folder: Path) -> list[str]:
    return [one.text for one in examine(folder).errors]


def test_a_client_that_says_whom_it_reaches_is_right_and_the_board_is_told(tmp_path: Path) -> None:
    client = '[net]\ntcp = ["10.0.2.2:80", "*:443"]\nudp = ["time.example:123"]\nlisten = [8080]\n'
    folder = with_net(tmp_path, client + '[uses]\nnet = ["call"]\n')
    assert texts(folder) == []
    space: dict[str, object] = {}
    exec(system_source(*load_system(folder)), space)
    rows = ((1, "10.0.2.2", 80), (1, "*", 443), (2, "time.example", 123), (3, "", 8080))
    assert space["NET"] == (("one", rows),)


@pytest.mark.parametrize("module", ["socket", "network", "tls", "ssl", "network.WLAN"])
def test_nobody_else_gets_the_network(tmp_path: Path, module: str) -> None:
    folder = with_net(tmp_path, f'modules = ["{module}"]\n')
    assert texts(folder) == [f"{module} is for net alone: one reaches the network by calling it"]


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ('[net]\ntcp = ["10.0.2.2:80"]\n', "one has destinations, and calls no net"),
        (CLIENT.replace('"call"', '"call", "grant"'), "net tells its clients apart"),
        (CLIENT.replace(":80", ""), '"10.0.2.2" is no destination'),
        (CLIENT.replace(":80", ":0"), '"10.0.2.2:0" is no destination'),
        (CLIENT.replace(":80", ":65536"), "is no destination"),
        (CLIENT.replace("10.0.2.2", "10.0.2.256"), "is no destination"),
        (CLIENT.replace("10.0.2.2", "Gateway"), "is no destination"),
        (CLIENT.replace("tcp", "tpc"), "unknown key net.tpc"),
        (CLIENT.replace('["10.0.2.2:80"]', "80"), "net.tcp is 80"),
        (CLIENT + "[net.x]\ny = 1\n", "unknown key net.x"),
        ('[net]\nlisten = ["80"]\n[uses]\nnet = ["call"]\n', "an array of ports"),
        ('[net]\nlisten = [true]\n[uses]\nnet = ["call"]\n', "an array of ports"),
    ],
)
def test_what_cannot_be_is_found(tmp_path: Path, client: str, words: str) -> None:
    found = texts(with_net(tmp_path, client))
    assert [text for text in found if words in text], found


def test_net_has_to_notify_its_clients(tmp_path: Path) -> None:
    folder = with_net(tmp_path, CLIENT, notified="supervisor")
    assert "net cannot notify one, nor learn that it has died" in texts(folder)


def test_a_host_is_an_address_a_name_or_any() -> None:
    assert all(map(is_host, ("*", "10.0.2.2", "a", "broker.example", "a-b.c1")))
    wrong = ("", "10.0.2", "1.2.3.4.5", "a..b", "-a", "a-", "a b", "x" * 65, "ü.example", "*.a")
    assert not any(map(is_host, wrong))


@pytest.mark.parametrize("asyncio", [False, True])
@pytest.mark.parametrize("starts_net", [False, True])
def test_an_image_has_streams_where_it_has_asyncio_and_net(
    tmp_path: Path, *, asyncio: bool, starts_net: bool
) -> None:
    manifest = 'modules = ["asyncio"]\n' if asyncio else ""
    folder = with_net(tmp_path, manifest) if starts_net else application(tmp_path, one=manifest)
    has = "bulkhead/streams.py" in system_files(folder, board="pico")
    assert has == (asyncio and starts_net)


def test_streams_are_for_whose_manifest_lists_asyncio() -> None:
    name = "bulkhead.streams.Streams"
    assert not is_allowed(name, SERVICE)
    assert is_allowed(name, (*SERVICE, *with_companions(["asyncio"])))


def with_tls(folder: Path, *, budget_ms: int = 1500, ca: str = "MIIB") -> Path:
    """Write an application whose client asks for TLS, and what net's manifest says of that."""
    with_net(folder, CLIENT.replace("tcp", "tls"))
    manifest = folder / "net" / "service.toml"
    text = manifest.read_text().replace("budget_ms = 50 ", f"budget_ms = {budget_ms} ")
    manifest.write_text(text.replace('ca = ""', f'ca = "{ca}"'))
    return folder


def test_tls_is_made_where_net_may_take_its_time_and_trusts_somebody(tmp_path: Path) -> None:
    folder = with_tls(tmp_path)
    assert texts(folder) == []
    space: dict[str, object] = {}
    exec(system_source(*load_system(folder)), space)
    assert space["NET"] == (("one", ((4, "10.0.2.2", 80),)),)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"budget_ms": 1499}, "is a step of 1.4 s of net"),
        ({"ca": ""}, "net trusts no certificate"),
    ],
)
def test_tls_is_refused_where_nobody_has_said_that_it_may_be(
    tmp_path: Path, manifest: dict[str, Any], words: str
) -> None:
    (text,) = texts(with_tls(tmp_path, **manifest))
    assert words in text
