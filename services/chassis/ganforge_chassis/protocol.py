"""HTTP as uvicorn speaks it; also what is no HTTP at all is answered with a problem document."""

import sys

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ganforge_chassis import problems

_DETAILS = {
    400: "this is not HTTP/1.1",
    431: "the request line and the headers have more than 64 KiB: send less",
    501: "Transfer-Encoding: only chunked is understood",
}


class ProblemProtocol(H11Protocol):
    """Answers what no app is asked about, since it cannot be read: 400, 431, 501."""

    def send_400_response(self, msg: str) -> None:
        """Answer with a problem document and hang up; called while the error is handled."""
        error = sys.exception()
        hint = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        status = hint if hint in _DETAILS else 400
        answer = problems.plain(status, _DETAILS[status], {"Connection": "close"})
        head = h11.Response(
            status_code=status,
            headers=answer.raw_headers,
            reason=problems.phrase(status).encode(),
        )
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
