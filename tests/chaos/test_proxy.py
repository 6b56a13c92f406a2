"""The network does what its weather says, and nothing else."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.chaos.proxy import FINE, Proxy, Weather, proxied
from tests.support.system import until

Address = tuple[str, int]


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent, and keeps it."""

    protocol_version = "HTTP/1.1"
    heard: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def echoing() -> Iterator[tuple[Address, list[bytes]]]:
    heard: list[bytes] = []
    handler = type("Handler", (Echo,), {"heard": heard})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield ("127.0.0.1", server.server_address[1]), heard
        server.shutdown()
        thread.join()


@pytest.fixture
def network() -> Iterator[tuple[Proxy, list[bytes]]]:
    with echoing() as (address, heard), proxied(address) as proxy:
        yield proxy, heard


def ask(proxy: Proxy, body: bytes = b"hello", seconds: float = 60.0) -> bytes:
    return httpx.post(proxy.url, content=body, timeout=seconds).content


def test_in_fine_weather_everything_passes(network: tuple[Proxy, list[bytes]]) -> None:
    proxy, heard = network
    large = bytes(range(256)) * 4096
    assert ask(proxy, large) == large
    with httpx.Client() as client:
        for body in (b"one", b"two"):
            assert client.post(proxy.url, content=body).content == body
    assert heard == [large, b"one", b"two"]


def test_a_lost_request_does_not_arrive(network: tuple[Proxy, list[bytes]]) -> None:
    proxy, heard = network
    proxy.change(Weather(lost_requests=1.0))
    with pytest.raises(httpx.TransportError):
        ask(proxy)
    assert heard == []


def test_a_lost_answer_is_of_a_request_that_was_done(network: tuple[Proxy, list[bytes]]) -> None:
    proxy, heard = network
    proxy.change(Weather(lost_answers=1.0))
    with pytest.raises(httpx.TransportError):
        ask(proxy)
    assert heard == [b"hello"]


def test_weather_for_some_requests_leaves_the_others_alone(
    network: tuple[Proxy, list[bytes]],
) -> None:
    proxy, heard = network
    proxy.change(Weather(lost_requests=1.0, only="/claim"))
    with pytest.raises(httpx.TransportError):
        httpx.post(f"{proxy.url}/claim", content=b"hello", timeout=60)
    assert ask(proxy) == b"hello"
    assert heard == [b"hello"]


def test_a_doubled_request_arrives_twice_and_is_answered_once(
    network: tuple[Proxy, list[bytes]],
) -> None:
    proxy, heard = network
    proxy.change(Weather(doubled=1.0))
    assert ask(proxy) == b"hello"
    assert heard == [b"hello", b"hello"]


def test_a_request_that_is_held_back_is_overtaken(network: tuple[Proxy, list[bytes]]) -> None:
    proxy, heard = network
    proxy.change(Weather(reordered=1.0))
    slow = threading.Thread(target=ask, args=(proxy, b"first"))
    slow.start()
    until(lambda: proxy.counts["reordered"] == 1, "the first is held back")
    proxy.change(FINE)
    ask(proxy, b"second")
    slow.join()
    assert sorted(heard) == [b"first", b"second"]


def test_when_parted_connections_break_and_heal_later(network: tuple[Proxy, list[bytes]]) -> None:
    proxy, _ = network
    with httpx.Client() as client:
        client.post(proxy.url, content=b"one")
        proxy.change(Weather(parted=True))
        with pytest.raises(httpx.TransportError):
            client.post(proxy.url, content=b"two")
        proxy.change(FINE)
        assert client.post(proxy.url, content=b"three").content == b"three"


def test_a_frozen_connection_stays_and_goes_on_later(network: tuple[Proxy, list[bytes]]) -> None:
    proxy, heard = network
    proxy.change(Weather(frozen=True))
    with pytest.raises(httpx.ReadTimeout):
        ask(proxy, b"given up", seconds=0.2)
    thread = threading.Thread(target=ask, args=(proxy, b"patient"))
    thread.start()
    assert heard == []
    proxy.change(Weather(delay_seconds=0.01, bytes_per_second=1e6))
    thread.join()
    assert b"patient" in heard


def test_what_is_no_http_passes_as_bytes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = ("127.0.0.1", server.getsockname()[1])
        with (
            proxied(address, http=False) as proxy,
            socket.create_connection(("127.0.0.1", proxy.port)) as near,
        ):
            far, _ = server.accept()
            with far:
                near.sendall(b"anything")
                assert far.recv(100) == b"anything"
                far.sendall(b"at all")
                assert near.recv(100) == b"at all"
