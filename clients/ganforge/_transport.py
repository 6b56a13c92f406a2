"""HTTP with tokens, retries and problem documents turned back into errors."""

import random
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

import ganforge
from ganforge.errors import (
    BY_SLUG,
    GanforgeError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    PreconditionFailed,
    ServerFailed,
    StillRunning,
    TooLarge,
    Unreachable,
)

RETRIES = 3
_RETRIED_STATUS = frozenset({429, 502, 503, 504})
_BY_STATUS: dict[int, type[GanforgeError]] = {
    401: NotAuthenticated,
    403: NotAllowed,
    404: NotFound,
    412: PreconditionFailed,
    413: TooLarge,
}


class Transport:
    """Requests to one server, on one pool of connections; may be shared by threads.

    Args:
        base_url: the server's origin, such as ``http://127.0.0.1:8080``.
        token: the bearer token, when the server asks for one.
        timeout_s: seconds to wait for a connection or for the next bytes.
        retries: how often an idempotent request is sent again when nobody answers or the server
            says it is overloaded; waits double from 0.2 s, with full jitter.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None,
        *,
        timeout_s: float = 30.0,
        retries: int = RETRIES,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.token = token
        self._retries = retries
        headers = {"User-Agent": f"ganforge/{ganforge.__version__}"}
        if token:
            _refuse_strange(token)
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.Client(
            base_url=self.base_url,
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=5.0),
            limits=httpx.Limits(keepalive_expiry=60.0),
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        retry: bool | None = None,
    ) -> httpx.Response:
        """Send a request and give the answer, read whole.

        Args:
            method: the HTTP method.
            path: the path below the origin.
            params: query parameters; those that are None are left out.
            json: the body, to be sent as JSON.
            content: the body as bytes; an iterator is sent once and never again.
            headers: further headers.
            timeout_s: seconds to wait for the next bytes, when not the transport's.
            retry: whether the request may be sent twice; by default all but POST may.

        Raises:
            GanforgeError: the class the server's problem document names.
            Unreachable: nobody answered.
        """
        again = method != "POST" if retry is None else retry
        attempts = 1 + (self._retries if again and not isinstance(content, Iterator) else 0)
        query = {key: value for key, value in (params or {}).items() if value is not None}
        options: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s}
        for attempt in range(1, attempts + 1):
            last = attempt == attempts
            try:
                response = self._http.request(
                    method,
                    path,
                    params=query,
                    json=json,
                    content=content,
                    headers=headers,
                    **options,
                )
            except httpx.TransportError as error:
                if last:
                    raise self._unreachable(error) from error
            else:
                if response.is_success or response.status_code == 304:
                    return response
                problem = error_of(response)
                overloaded = response.status_code in _RETRIED_STATUS
                if last or not (overloaded or isinstance(problem, StillRunning)):
                    raise problem
            time.sleep(random.uniform(0.05, 0.2 * 2**attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[httpx.Response]:
        """Send a request and give the answer while its body still arrives; never sent twice.

        Raises:
            GanforgeError: the class the server's problem document names.
            Unreachable: nobody answered, or the body broke off.
        """
        options: dict[str, Any] = {} if timeout_s is None else {"timeout": timeout_s}
        try:
            with self._http.stream(
                method, path, params=params, headers=headers, **options
            ) as response:
                if not response.is_success and response.status_code != 304:
                    response.read()
                    raise error_of(response)
                yield response
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        why = str(error) or type(error).__name__
        return Unreachable(f"nobody answers at {self.base_url} ({why}): is the server running?")


def _refuse_strange(token: str) -> None:
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise NotAuthenticated("the token has characters no token has: check GANFORGE_TOKEN")


def error_of(response: httpx.Response) -> GanforgeError:
    """Turn a problem document (RFC 9457) back into the error it was."""
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    slug = str(problem.get("type", "")).rpartition("/")[2]
    fallback = GanforgeError if response.status_code < 500 else ServerFailed
    cls = BY_SLUG.get(slug, _BY_STATUS.get(response.status_code, fallback))
    detail = problem.get("detail") or f"the server answered {response.status_code}"
    standard = ("type", "title", "status", "detail", "instance")
    members = {key: value for key, value in problem.items() if key not in standard}
    return cls(str(detail), **members)
