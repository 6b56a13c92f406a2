"""HEAD answers what GET would, without a body."""

from collections.abc import Callable

import httpx
import pytest

HIDDEN = {"date"}


def told(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in HIDDEN}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/notes?pageSize=2", 200),
        ("/livez", 200),
        ("/version", 200),
        ("/openapi.json", 200),
        ("/docs", 200),
        ("/docs/static/swagger-ui.css", 200),
        ("/problems/not-found", 200),
        ("/problems/nothing", 404),
        ("/v1/notes?pageSize=0", 422),
        ("/v1/notes/fail/known", 409),
        ("/nothing", 404),
    ],
)
def test_head_is_answered_as_get_is_and_without_a_body(
    http: httpx.Client, path: str, status: int
) -> None:
    head, got = http.head(path), http.get(path)
    assert head.status_code == got.status_code == status
    assert told(head) == told(got)
    assert int(head.headers["content-length"]) == len(got.content)
    assert not head.content


def test_what_is_only_posted_has_no_head(http: httpx.Client) -> None:
    answer = http.head("/v1/notes/post-only")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"


def test_a_stream_that_never_ends_begins_and_leaves_the_connection_whole(
    say: Callable[[bytes], bytes],
) -> None:
    asked = b"HEAD /v1/notes/streams HTTP/1.1\r\nHost: a\r\n"
    heard = say(asked + b"\r\n" + asked + b"Connection: close\r\n\r\n")
    assert heard.count(b"HTTP/1.1 200 ") == 2
    assert b"tick" not in heard


def test_a_range_is_of_get_alone(http: httpx.Client) -> None:
    path = "/docs/static/swagger-ui.css"
    part = {"Range": "bytes=0-3"}
    assert http.get(path, headers=part).status_code == 206
    assert http.head(path, headers=part).status_code == 200


def test_head_is_counted_as_such(http: httpx.Client) -> None:
    http.head("/v1/notes")
    told = http.get("/metrics").text
    assert (
        'http_request_method="HEAD",http_response_status_code="200",http_route="/v1/notes"' in told
    )
