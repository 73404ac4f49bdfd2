"""TLS of the net service, on the unix port: a certificate that the test has made, and Python's."""

import base64
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from free_ports import HERE
from unix_network import TIMEOUT_S, NetworkBoard

from bulkhead_host import abi

CASES = Path(__file__).parents[1] / "cases"
NAME = "localhost"
FETCH, HOARD, ENDED = 3, 5, 2
COMMENT = "nsComment=" + 12_000 * "x"  # net reads a certificate in one piece
SPARED_KB = 10


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate of a name that is signed by itself; return it and its key."""
    made = folder / f"{name}.pem", folder / f"{name}.key"
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    names = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-addext", COMMENT)
    files = ("-out", str(made[0]), "-keyout", str(made[1]))
    subprocess.run(["openssl", "req", *kind, *names, *files], check=True, capture_output=True)
    return made


class Server:
    """Answers the first line of each connection in capitals, encrypted; keeps what went wrong."""

    def __init__(self) -> None:
        self.listener = socket.create_server((HERE, 0))
        self.port = self.listener.getsockname()[1]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.problems: list[str] = []
        self.versions: list[str | None] = []
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            peer.settimeout(TIMEOUT_S)
            try:
                with self.context.wrap_socket(peer, server_side=True) as secured:
                    self.versions.append(secured.version())
                    secured.sendall(secured.recv(100).upper() * 30)
                    secured.unwrap()
            except OSError as error:
                self.problems.append(str(error))


class Board(NetworkBoard):
    """A client of net, whose manifest says TLS, and two certificates, of which net trusts one."""

    def __init__(self, micropython: Path, folder: Path) -> None:
        self.server = Server()
        self.trusted = certificate(folder, NAME)
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        self.stranger = certificate(elsewhere, NAME)
        self.prove(self.trusted)
        self.server.thread.start()
        over = folder / "over"
        shutil.copytree(CASES / "tls", over)
        manifest = over / "net" / "service.toml"
        der = ssl.PEM_cert_to_DER_cert(self.trusted[0].read_text())
        trusted = base64.b64encode(der).decode()
        manifest.write_text(manifest.read_text().replace("the test puts its own", trusted))
        ports = {1801: self.server.port}
        super().__init__(micropython, CASES / "net_app", folder, ports, over=over)

    def prove(self, made: tuple[Path, Path]) -> None:
        """Have the server show this certificate."""
        self.server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.server.context.load_cert_chain(*made)

    def fetch(self, host: str) -> tuple[object, object]:
        """Have the client connect and send; return net's last status, and what came."""
        asked = (host, self.server.port, b"hello")
        status, answer = self.client.call("prober", FETCH, asked, timeout_ms=20_000)
        assert status == abi.OK
        assert isinstance(answer, tuple)
        return answer[0], answer[1]

    def hoard(self, spared_kb: int) -> None:
        """Have the client take the heap but for so many KB; with 0 give all back."""
        assert self.client.call("prober", HOARD, spared_kb, timeout_ms=20_000)[0] == abi.OK

    def close(self) -> None:
        super().close()
        self.server.listener.close()


@pytest.fixture(scope="module")
def board(micropython: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    found = Board(micropython, tmp_path_factory.mktemp("tls"))
    yield found
    found.close()


def test_a_heap_that_is_too_full_ends_the_connection_alone(board: Board) -> None:
    board.hoard(SPARED_KB)
    found = board.fetch(NAME)
    board.hoard(0)
    assert found == (ENDED, b"")
    assert board.generation("net") == 1


def test_a_client_that_knows_nothing_of_it_is_encrypted(board: Board) -> None:
    assert board.fetch(NAME) == (ENDED, b"HELLO" * 30)
    assert board.server.versions in (["TLSv1.2"], ["TLSv1.3"])


def test_a_server_of_another_name_gets_nothing(board: Board) -> None:
    assert board.fetch(HERE) == (ENDED, b"")
    assert len(board.server.versions) == 1


def test_a_server_with_a_certificate_that_is_not_trusted_gets_nothing(board: Board) -> None:
    board.prove(board.stranger)
    assert board.fetch(NAME) == (ENDED, b"")
    assert len(board.server.versions) == 1
    board.prove(board.trusted)
    assert board.fetch(NAME) == (ENDED, b"HELLO" * 30)
