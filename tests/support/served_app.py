"""A service on a real socket, in a thread of the test's process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI

from ganforge_chassis.serving import Server, listen, url_of


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """Serve ``app`` on a free port and give its base URL; requests wait until it is up."""
    listening = listen("127.0.0.1", 0)
    listening.listen(128)
    server = Server(app, on_stop=app.state.stop)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield url_of(listening)
    finally:
        app.state.stop()
        server.should_exit = True
        thread.join()
        listening.close()
