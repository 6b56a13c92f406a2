"""HTTP as uvicorn speaks it; also what is no HTTP at all is answered with a problem document."""

import re
import sys

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ganforge_chassis import problems

HEAD_LIMIT = 64 << 10
"""The longest request line and headers, in bytes."""

_DETAILS = {
    400: "this is not HTTP/1.1",
    431: "the request line and the headers have more than 64 KiB: send less",
    501: "only the methods of HTTP are known, and of Transfer-Encoding only chunked",
}
_IS_HTTP = re.compile(rb"[!-~]+ [!-~]+ HTTP/1\.[01]\r\n")


class _Refused(Exception):
    """What the parser lets through is refused all the same."""

    def __init__(self, status: int) -> None:
        super().__init__(_DETAILS[status])
        self.status = status


class ProblemProtocol(HttpToolsProtocol):
    """Answers what no app is asked about, since it cannot be read: 400, 431, 501."""

    _data = b""  # the last that came
    _arrived = 0  # bytes of a head that is not whole yet
    _is_in_head = False

    def data_received(self, data: bytes) -> None:
        """Take bytes from the network."""
        self._data = data
        super().data_received(data)
        self._arrived = self._arrived + len(data) if self._is_in_head else 0
        if self._arrived > HEAD_LIMIT:
            self._refuse(431)

    def on_message_begin(self) -> None:
        """Begin a request; called by the parser, like all below."""
        super().on_message_begin()
        self._is_in_head = True

    def on_headers_complete(self) -> None:
        """Hand the request to the app.

        Raises:
            _Refused: RFC 9112 wants one Host (section 3.2) and a coding of the body that is
                understood (section 6.1); and there is a limit.
        """
        self._is_in_head = False
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > HEAD_LIMIT:
            raise _Refused(431)
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            raise _Refused(400)
        codings = [value.lower() for name, value in self.headers if name == b"transfer-encoding"]
        if codings not in ([], [b"chunked"]):
            raise _Refused(501)
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser does not take; called while its error is handled."""
        error = sys.exception()
        if isinstance(error, httptools.HttpParserInvalidMethodError) and _IS_HTTP.match(self._data):
            self._refuse(501)
            return
        refused = error.__context__ if error is not None else None
        self._refuse(refused.status if isinstance(refused, _Refused) else 400)

    def _refuse(self, status: int) -> None:
        """Answer with a problem document and hang up."""
        answer = problems.plain(status, _DETAILS[status], {"Connection": "close"})
        head = [f"HTTP/1.1 {status} {problems.phrase(status)}\r\n".encode()]
        head += [name + b": " + value + b"\r\n" for name, value in answer.raw_headers]
        self.transport.write(b"".join(head) + b"\r\n" + bytes(answer.body))
        self.transport.close()
