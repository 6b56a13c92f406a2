"""A file server on loopback, which also speaks as much of Hugging Face's API as is asked for."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FileServer:
    """What lies on the server, and what it was asked for.

    Attributes:
        files: bytes by path.
        repositories: a Hugging Face dataset's files by path, under ``repo@revision``.
        asked: the paths of all requests that gave a body.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, bytes] = {}
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.asked: list[str] = []

    def find(self, path: str) -> bytes | None:
        """Find the body for a path; None when there is nothing."""
        for name, held in self.repositories.items():
            repo, revision = name.split("@", 1)
            if path == f"/api/datasets/{repo}/tree/{revision}":
                return json.dumps(
                    [
                        {"type": "file", "path": at, "size": len(body), "oid": _oid(body)}
                        for at, body in held.items()
                    ]
                ).encode()
            start = f"/datasets/{repo}/resolve/{revision}/"
            if path.startswith(start):
                return held.get(path.removeprefix(start))
        return self.files.get(path)


def _oid(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()


@contextmanager
def serving() -> Iterator[FileServer]:
    """Serve on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            body = self._answer()
            if body is not None:
                files.asked.append(urlsplit(self.path).path)
                self.wfile.write(body)

        def _answer(self) -> bytes | None:
            body = files.find(unquote(urlsplit(self.path).path))
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{_oid(body or b"")}"')
            self.end_headers()
            return body

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    files = FileServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield files
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
