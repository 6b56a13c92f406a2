"""A TCP proxy that cuts each answer off after so many bytes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class CuttingProxy:
    """Passes connections on to a server, and cuts long answers off.

    Args:
        target: the server's URL.
        cut_after: how many bytes of the server a connection lets through.
    """

    def __init__(self, target: str, cut_after: int) -> None:
        parts = urlsplit(target)
        self._target = (str(parts.hostname), int(parts.port or 80))
        self._cut_after = cut_after
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.cuts = 0
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def run(self) -> None:
        """Serve one connection after the other until the listening socket is shut down."""
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            with near, socket.create_connection(self._target) as far:
                upward = threading.Thread(target=self._pass_on, args=(near, far))
                upward.start()
                self._answer(far, near)
                for end in (near, far):
                    _shut(end)
                upward.join()

    def stop(self) -> None:
        """Let nobody in any more."""
        _shut(self._listening)
        self._listening.close()

    def _answer(self, far: socket.socket, near: socket.socket) -> None:
        left = self._cut_after
        while left and (block := _receive(far, min(left, 65_536))):
            near.sendall(block)
            left -= len(block)
        self.cuts += left == 0

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        while block := _receive(near, 65_536):
            far.sendall(block)
        _shut(far)


def _receive(end: socket.socket, size: int) -> bytes:
    try:
        return end.recv(size)
    except OSError:
        return b""


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


@contextmanager
def cutting(target: str, *, cut_after: int) -> Iterator[CuttingProxy]:
    """Run a proxy before ``target``."""
    proxy = CuttingProxy(target, cut_after)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()
