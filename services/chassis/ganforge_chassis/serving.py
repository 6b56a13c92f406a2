"""Serving an app: the address is taken first, open streams end at once on a stop."""

import gc
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from ganforge.errors import Conflict
from ganforge_chassis.protocol import ProblemProtocol

BACKLOG = 2048
"""How many may wait to be let in, as uvicorn has it."""


COLLECTION = (4_000, 50, 100)
"""How many new objects, and younger collections, bring about a collection (``gc``'s threshold)."""


def listen(host: str, port: int) -> socket.socket:
    """Take the address, so that a taken one is known before anything else starts.

    Raises:
        Conflict: somebody else listens there already.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's algorithm off only where it sees IPPROTO_TCP; with it on, every answer
    # waits 40 ms for the client's delayed acknowledgement.
    taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
        # From now on who comes waits until the app has started, rather than being turned away.
        taken.listen(BACKLOG)
    except OSError as error:
        taken.close()
        reason = error.strerror or str(error)
        raise Conflict(
            f"cannot listen on {host}:{port} ({reason.lower()}): choose another with --port"
        ) from error
    return taken


def url_of(listening: socket.socket) -> str:
    """Give the URL people reach ``listening`` under from this machine."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    return f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn, which tells the app at once when it is asked to stop.

    Args:
        app: any ASGI app.
        on_stop: called once when a signal asks to stop, before connections are drained, so that
            open event streams and long polls can end themselves.
    """

    def __init__(self, app: ASGIApp, *, on_stop: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=ProblemProtocol,
                ws="none",
                log_config=None,
                access_log=False,
                # Learners push every few seconds; uvicorn's 5 s would reset them mid-flight.
                timeout_keep_alive=75,
                timeout_graceful_shutdown=10,
            )
        )
        self._on_stop = on_stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal and tell the app."""
        self._on_stop()
        super().handle_exit(sig, frame)


def serve(app: FastAPI, listening: socket.socket) -> None:
    """Serve ``app`` on an address taken by ``listen`` until a signal asks to stop."""
    _spare_collector()
    Server(app, on_stop=app.state.stop).run(sockets=[listening])


def _spare_collector() -> None:
    """Let the garbage collector look at what is new, and not through all there is.

    Half a million objects stand once everything is imported; with thousands of connections more,
    looking through all of them stops the server for as long as a heartbeat may take.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTION)
