"""Every error leaves as a problem document, whoever found it."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ganforge.errors import BY_SLUG

PROBLEM = "application/problem+json"
JSON = {"Content-Type": "application/json"}
PATH = "/v1/notes"


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"text": "\xff"}', "not UTF-8"),
        ('{"text": ""}'.encode("utf-16"), "not UTF-8"),
        (b'{"text": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"text": "a\\u0000b"}', "/text"),
        (b'{"text": "\\ud800"}', "/text"),
        (b'{"text": "", "inner": {"a/b": [1, {"c": "\\uDFFF"}]}}', "/inner/a~1b/1/c"),
        (b'{"text": "", "inner": {"\\u0000": 1}}', "/inner"),
        (b'{"text": 1}', "/text"),
        (b'{"text": "", "more": 1}', "/more"),
        (b"null", "Input should be"),
        (b"", "Field required"),
    ],
)
def test_a_body_that_cannot_be_read_or_kept_is_refused_in_words(
    http: httpx.Client, body: bytes, why: str
) -> None:
    problem = is_problem(http.post(PATH, content=body, headers=JSON), 422)
    assert why in problem["detail"]
    assert problem["type"] == "/problems/bad-input"


def test_text_that_only_looks_odd_is_taken(http: httpx.Client) -> None:
    for text in ("\\u0000", "\\ud800", "\U0001f600", "\x7f"):
        assert http.post(PATH, json={"text": text}).json()["text"] == text
    pair = b'{"text": "\\ud83d\\ude00"}'
    assert http.post(PATH, content=pair, headers=JSON).json()["text"] == "\U0001f600"


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/jsonx", "json", ""])
def test_a_body_of_another_kind_is_refused_as_such(http: httpx.Client, kind: str) -> None:
    problem = is_problem(http.post(PATH, content=b"{}", headers={"Content-Type": kind}), 415)
    assert "application/json" in problem["detail"]


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/merge-patch+json"]
)
def test_json_goes_by_several_names(http: httpx.Client, kind: str) -> None:
    body = {"content": b'{"text": "a"}', "headers": {"Content-Type": kind}}
    assert http.post(PATH, **body).status_code == 200  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "OPTIONS"])
def test_a_method_nobody_takes_is_answered_with_all_that_are_taken(
    http: httpx.Client, method: str
) -> None:
    answer = http.request(method, PATH)
    is_problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nothing", 404),
        ("/v1/notes/a%00b", 404),
        ("/docs/static/%00", 404),
        ("/docs/static/../../etc", 404),
        ("/v1/notes?kind=%00", 422),
        ("/v1/notes/fail/known", 409),
        ("/v1/notes/fail/bug", 500),
        ("/v1/notes/fail/unstorable", 422),
        ("/problems/nothing", 404),
    ],
)
def test_what_fails_elsewhere_is_a_problem_document_too(
    http: httpx.Client, path: str, status: int
) -> None:
    assert "secret" not in is_problem(http.get(path), status)["detail"]


def test_a_database_that_is_away_is_a_reason_to_come_back(http: httpx.Client) -> None:
    answer = http.get("/v1/notes/fail/away")
    is_problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0


def test_members_of_an_error_are_members_of_its_problem(http: httpx.Client) -> None:
    problem = http.get("/v1/notes/fail/known").json()
    assert (problem["type"], problem["epoch"]) == ("/problems/stale-epoch", 7)


def test_every_type_of_problem_can_be_looked_up(http: httpx.Client) -> None:
    for slug, error in BY_SLUG.items():
        answer = http.get(f"/problems/{slug}")
        assert answer.status_code == 200
        assert error.title in answer.text


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"POST /v1/notes HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"POST /v1/notes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /v1/notes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: a\r\nLong: " + b"a" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nLong: " + b"a" * 500_000, 431),
    ],
)
def test_what_is_no_http_is_answered_with_a_problem_document(
    say: Callable[[bytes], bytes], said: bytes, status: int
) -> None:
    try:
        head, _, body = say(said).partition(b"\r\n\r\n")
    except ConnectionError:
        assert status == 431  # it hung up on us while we spoke on, which is an answer too
        return
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert PROBLEM.encode() in head
    assert json.loads(body)["status"] == status


def test_a_wish_to_speak_otherwise_is_passed_over(say: Callable[[bytes], bytes]) -> None:
    wish = b"Connection: Upgrade, close\r\nUpgrade: websocket\r\n"
    assert say(b"GET /livez HTTP/1.1\r\nHost: a\r\n" + wish + b"\r\n").endswith(b"ok")
