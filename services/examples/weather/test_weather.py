"""The weather station on the emulated Pico, against a real mosquitto: `pytest` in this folder."""

import os
import socket
import subprocess

import pytest
from bulkhead_host.emulator.net.network import Network
from pytest_bulkhead import broker

TOPIC = "weather/temperature"


class Listener:
    """mosquitto_sub: what the broker has, line by line."""

    def __init__(self, port, topic):
        command = ["mosquitto_sub", "-p", str(port), "-t", topic, "-q", "1"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.data = b""

    def take(self):
        """Return the messages that have come since."""
        self.data += self.process.stdout.read() or b""
        *lines, self.data = self.data.split(b"\n")
        return [line.decode() for line in lines]

    def close(self):
        """End it."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def port():
    broker.install()
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.fixture
def station(fresh_board, port):
    """A board with a network whose port 1883 is the broker's."""
    network = Network(fresh_board.emulator, forwards={1883: port})
    yield network
    network.close()


@pytest.fixture
def mosquitto(port):
    process = broker.start(port)
    yield process
    process.kill()
    process.wait()


def wait_for(clock, listener, is_enough, *, timeout_ms=30_000):
    """Let the board go on until the broker has sent enough; return it all."""
    until_ms = clock.now_ms() + timeout_ms
    found = []
    while not is_enough(found):
        assert clock.now_ms() < until_ms, found
        clock.run_for(250)
        found += listener.take()
    return found


def numbers(clock, listener, until):
    """Return the numbers of messages up to one that is at least `until`."""
    found = wait_for(
        clock, listener, lambda lines: any(int(line.split()[0]) >= until for line in lines)
    )
    return [int(line.split()[0]) for line in found]


def test_nothing_is_lost_while_the_line_or_the_broker_is_away(
    mosquitto, port, station, kernel, clock
):
    listener = Listener(port, TOPIC)
    got = numbers(clock, listener, 1)
    station.cut(for_ms=1000)
    got += numbers(clock, listener, got[-1] + 3)
    listener.close()
    mosquitto.kill()
    mosquitto.wait()
    clock.run_for(500)
    again = broker.start(port)
    listener, will = Listener(port, TOPIC), Listener(port, "weather/status")
    later = numbers(clock, listener, got[-1] + 3)
    # Each at least once: what was under way comes again, but not what a dying broker had taken.
    assert sorted(set(got)) == list(range(max(got) + 1))
    assert sorted(set(later)) == list(range(min(later), max(later) + 1))
    assert min(later) <= max(got) + 1
    kernel.client.control("net", "hold")  # its sockets end with it
    assert wait_for(clock, will, bool) == ["gone"]
    for one in (listener, will):
        one.close()
    again.kill()
    again.wait()
