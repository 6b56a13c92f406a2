"""Both services in this process, in a thread, on one origin."""

import socket
import threading
from pathlib import Path
from typing import Self

from ganforge.errors import ServerFailed
from ganforge_chassis import serving
from ganforge_chassis.tokens import token_file
from ganforge_coordinator.app import create_app as create_coordinator
from ganforge_coordinator.settings import CoordinatorSettings
from ganforge_local.one_origin import OneOrigin
from ganforge_repository.app import create_app as create_repository
from ganforge_repository.settings import RepositorySettings


class LocalServer:
    """Coordinator and repository on one address, with one admin token.

    Args:
        listening: the address, taken already; see ``ganforge_chassis.serving.listen``.
        data: the data folder.
    """

    def __init__(self, listening: socket.socket, data: Path) -> None:
        self._listening = listening
        # From now on connections queue, and nobody else gets the address.
        listening.listen(2048)
        self.url = serving.url_of(listening)
        self.token = token_file(data)
        self._app = _both(self.url, self.token, data)
        self._server = serving.Server(self._app, on_stop=self._app.stop)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listening]}, name="server"
        )

    @property
    def page_url(self) -> str:
        """The page's URL, which logs its reader in; a fragment never travels to the server."""
        return f"{self.url}/#token={self.token}"

    def start(self) -> Self:
        """Begin to serve; requests wait until it is up."""
        self._thread.start()
        return self

    @property
    def is_alive(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def stop(self, *, quickly: bool = False) -> None:
        """End open streams, finish the requests in hand, close; may be called twice.

        Args:
            quickly: drop the requests in hand.
        """
        self._app.stop()
        self._server.should_exit = True
        self._server.force_exit = self._server.force_exit or quickly
        if self._thread.ident is not None:
            self._thread.join()
        self._listening.close()


def _both(url: str, token: str, data: Path) -> OneOrigin:
    """Make both services; what the environment says of databases and tokens holds here too.

    Raises:
        ServerFailed: a database has a schema that its server does not know or may not upgrade.
    """
    repository = RepositorySettings(data=data)
    tokens = ",".join(filter(None, (repository.tokens, f"admin:{token}")))
    coordinator = CoordinatorSettings(
        data=data, tokens=tokens, repository_url=url, repository_token=token
    )
    if coordinator.database == repository.database:
        raise ServerFailed("coordinator and repository need a database each")
    both = OneOrigin(
        create_coordinator(coordinator),
        create_repository(repository.model_copy(update={"tokens": tokens})),
    )
    # In one process there is no need to ask over HTTP whose a token is.
    both.share_tokens()
    return both
