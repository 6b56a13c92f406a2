"""Following many jobs on one connection: nothing missed or told twice, however often it breaks."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from ganforge._transport import Transport
from ganforge.coordinator import CoordinatorClient
from ganforge.wire.jobs import JobAction, JobEvent, JobPatch
from ganforge_chassis.clock import now_ms
from ganforge_coordinator import edit, events, following, ledger, submission
from ganforge_coordinator.api import events as api
from ganforge_coordinator.db.models import progress_chunks, series_schemas
from ganforge_coordinator.following import Cursor, Follower, read_cursor
from ganforge_coordinator.job import Trigger
from tests.coordinator.running import TOKENS, Coordinator, a_job
from tests.support.learners import registration

InThread = Callable[..., Future[Any]]


@contextmanager
def stream(
    coordinator: Coordinator, query: str, last_event_id: str | None = None
) -> Iterator[httpx.Response]:
    """Follow jobs on a connection of its own."""
    headers = {"Authorization": f"Bearer {TOKENS['read']}"}
    if last_event_id is not None:
        headers["Last-Event-ID"] = last_event_id
    url = f"{coordinator.url}/v1/events{query}"
    with httpx.stream("GET", url, headers=headers, timeout=60) as response:
        yield response


def in_order(told: list[JobEvent]) -> dict[str, list[int]]:
    """The numbers of the events by job, in the order they came."""
    found: dict[str, list[int]] = {}
    for event in told:
        found.setdefault(event.job, []).append(event.id)
    return found


def live(coordinator: Coordinator, pushes: int) -> None:
    """Take a job through a life of some pushes."""
    work = coordinator.learner(f"learner-{random.random()}").work()
    for seq in range(pushes):
        work.push(seq, seq, [float(seq)])
    work.complete(iteration=pushes)


def follow_to_the_end(coordinator: Coordinator, query: str, seed: int) -> list[JobEvent]:
    """Follow, break off at random, come back, until there is nothing to come back for."""
    dice = random.Random(seed)
    told: list[JobEvent] = []
    last: str | None = None
    while True:
        with stream(coordinator, query, last) as response:
            if response.status_code == 204:
                return told
            patience = dice.randrange(1, 12)
            for event_id, event in frames(response):
                told.append(event)
                last = event_id
                if (patience := patience - 1) == 0:
                    break


def test_head_of_a_stream_is_its_beginning(coordinator: Coordinator) -> None:
    job = coordinator.submit()
    for path in (f"/v1/jobs/{job.id}/events", "/v1/events"):
        answer = coordinator.send("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")


def test_several_jobs_are_told_on_one_connection_however_often_it_breaks(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    jobs = [coordinator.submit().id for _ in range(3)]
    query = f"?jobs={','.join(jobs)}"
    followers = [in_thread(follow_to_the_end, coordinator, query, seed) for seed in range(2)]
    lives = [in_thread(live, coordinator, 8) for _ in jobs]
    for each in lives:
        each.result(120)
    for follower in followers:
        told = in_order(follower.result(120))
        assert told == {job: list(range(1, 13)) for job in jobs}


def test_all_jobs_are_told_from_now_on_those_yet_to_come_too(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    old = coordinator.submit().id
    wanted = 2 * 12 + 1

    def follow(first: Future[Any]) -> list[JobEvent]:
        told: list[JobEvent] = []
        last: str | None = None
        while len(told) < wanted:
            with stream(coordinator, "", last) as response:
                for event_id, event in frames(response, opened=first):
                    told.append(event)
                    last = event_id
                    if len(told) % 5 == 0 or len(told) == wanted:
                        break
        return told

    opened: Future[None] = Future()
    follower = in_thread(follow, opened)
    opened.result(60)
    coordinator.client.steer(old, JobAction.CANCEL)
    for _ in range(2):
        coordinator.submit()
        live(coordinator, 8)
    told = in_order(follower.result(120))
    assert told.pop(old) == [2]
    assert list(told.values()) == [list(range(1, 13))] * 2


def test_the_client_follows_several_jobs_and_all(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    jobs = [coordinator.submit().id for _ in range(2)]
    several = in_thread(lambda: list(coordinator.client.follow_many(jobs)))
    for job in jobs:
        coordinator.client.steer(job, JobAction.CANCEL)
    assert in_order(several.result(60)) == {job: [1, 2] for job in jobs}


def test_several_jobs_that_are_over_and_told_are_not_to_be_come_back_for(
    coordinator: Coordinator,
) -> None:
    jobs = [coordinator.submit().id for _ in range(2)]
    for job in jobs:
        coordinator.client.steer(job, JobAction.CANCEL)
    query = f"?jobs={jobs[0]},{jobs[1]},{jobs[0]}"
    with stream(coordinator, query) as response:
        ids = [event_id for event_id, _ in frames(response)]
    assert ids[-1] == f"{jobs[0]}:2,{jobs[1]}:2"
    with stream(coordinator, query, ids[-1]) as response:
        assert response.status_code == 204
    with stream(coordinator, query, ids[-2]) as response:
        assert [event.id for _, event in frames(response)] == [2]


def test_a_job_that_is_not_there_and_too_many_are_refused(coordinator: Coordinator) -> None:
    job = coordinator.submit().id
    for query, status in (
        (f"?jobs={job},job-00000000", 404),
        ("?jobs=", 404),
        ("?jobs=" + ",".join(f"job-{n}" for n in range(101)), 422),
    ):
        with stream(coordinator, query) as response:
            response.read()
            assert (response.status_code, query) == (status, query)
            assert response.headers["content-type"] == "application/problem+json"


def frames(
    response: httpx.Response, opened: Future[None] | None = None
) -> Iterator[tuple[str, JobEvent]]:
    """Read server-sent events with their ids; says when the stream has begun."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if opened is not None and not opened.done():
            opened.set_result(None)
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
            continue
        if "data" in fields:
            yield fields["id"], JobEvent.model_validate_json(fields["data"])
        fields = {}


NAMES = st.from_regex(r"[\w.-]{1,20}", fullmatch=True, alphabet=st.characters(codec="ascii"))


@given(
    st.dictionaries(NAMES, st.integers(0, 10**12), max_size=5), st.none() | st.integers(0, 10**13)
)
def test_a_cursor_is_read_as_it_was_said(seen: dict[str, int], since: int | None) -> None:
    cursor = Cursor(seen, since)
    assert read_cursor(str(cursor)) == cursor


@pytest.mark.parametrize("nonsense", ["abc", "@", "@x", "a:", ":1", "a:1;b:2", "@1@2", "a:1,@2"])
def test_what_is_no_cursor_is_none(nonsense: str) -> None:
    assert read_cursor(nonsense) is None


class Reader:
    """Follows all jobs as over a connection that breaks; only the last id outlives a break."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.follower = following.follower_of_all(connection, None)
        self.told: list[JobEvent] = []
        self.last_id = str(self.follower.cursor)

    def read(self, most: int) -> None:
        """Look once and take at most so many events; it breaks where there are more."""
        for news in self.follower.look(self.connection):
            while fresh := self.follower.after(self.connection, news):
                for event in fresh:
                    if most == 0:
                        return self.come_back()
                    most -= 1
                    self.told.append(event)
                    self.follower.tell(event)
                    self.last_id = str(self.follower.cursor)
        return None

    def come_back(self) -> None:
        """Connect again; nothing is seen late in one transaction, so there is no margin."""
        cursor = read_cursor(self.last_id)
        assert cursor is not None
        self.follower = Follower(cursor.seen, cursor.since_ms, margin_ms=0)


def happen(connection: Connection, op: str, job_id: str) -> None:
    """Let something happen to a job, where its state allows it."""
    row = ledger.lock(connection, job_id)
    if op == "note" and row["state"] == "CANCELLED":
        edit.edit(connection, row, JobPatch(priority=(row["priority"] + 1) % 100))
    elif op == "note":
        ledger.append_event(connection, row, "snapshot", {})
    elif op == "push" and row["state"] == "CANCELLED":
        pass  # no learner holds it
    elif op == "push":
        chunk = {"epoch": 1, "rank": 0, "first": 0, "step": 1, "count": 1, "body": b"0000"}
        seq = ledger.next_seq(connection, job_id)
        where = {"job_id": job_id, "job_seq": seq, "seq": seq, "series_digest": "loss"}
        connection.execute(insert(progress_chunks).values(received_ms=now_ms(), **where, **chunk))
    else:
        is_over = row["state"] == "CANCELLED"
        if is_over == (op == "retry"):
            ledger.apply(connection, row, Trigger(op))


OPS = st.lists(
    st.one_of(
        st.just(("submit", 0)),
        st.tuples(st.sampled_from(["note", "push", "cancel", "retry"]), st.integers(0, 3)),
        st.tuples(st.just("read"), st.sampled_from([0, 1, 3, 999])),
        st.just(("break", 0)),
    ),
    max_size=60,
)


@settings(max_examples=30)
@given(ops=OPS)
def test_a_follower_of_all_jobs_misses_nothing_and_sees_nothing_twice(
    running_coordinator: Coordinator, ops: list[tuple[str, int]]
) -> None:
    running_coordinator.forget_everything()
    with running_coordinator.database.write() as connection:
        connection.execute(insert(series_schemas).values(digest="loss", names=["loss"]))
        reader = Reader(connection)
        jobs: list[str] = []
        for op, number in [("submit", 0), ("read", 999), *ops, ("read", 999), ("read", 999)]:
            if op == "submit":
                config = {"strategy": "GANLearningStrategy"}
                row = submission.enter(connection, a_job(), config, lease_ms=30_000)
                jobs.append(row["id"])
            elif op == "read":
                reader.read(number)
            elif op == "break":
                reader.come_back()
            else:
                happen(connection, op, jobs[number % len(jobs)])
        counts = {job: ledger.find(connection, job)["last_seq"] for job in jobs}
    assert in_order(reader.told) == {job: list(range(1, n + 1)) for job, n in counts.items()}


def test_a_stream_is_read_only_as_fast_as_it_is_taken(coordinator: Coordinator) -> None:
    job = coordinator.submit().id
    with coordinator.database.write() as connection:
        row = ledger.lock(connection, job)
        for _ in range(4 * events.BATCH):
            ledger.append_event(connection, row, "snapshot", {})
    service = coordinator.app.state.service
    follower = Follower({job: 0})

    async def take(count: int) -> None:
        with coordinator.database.read() as connection:
            news = follower.look(connection)
        stream = api._stream(service, follower, (), lambda event: str(event.id), news)
        for _ in range(count + 1):  # the first says how soon to come back
            await anext(stream)
        assert follower.cursor.seen == {job: count}
        await stream.aclose()

    asyncio.run(take(3))


def test_a_stop_ends_every_open_stream_whole(tmp_path: Path, database_url: str) -> None:
    command = [sys.executable, "-m", "ganforge", "coordinator", "--port", "0"]
    command += ["--data", str(tmp_path), "--database-url", database_url]
    tokens = ",".join(f"{role}:{token}" for role, token in TOKENS.items())
    environment = {**os.environ, "GANFORGE_COORDINATOR_TOKENS": tokens}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        url = next(line.split()[-1] for line in process.stderr if " at http://" in line)
        try:
            job = submit(url)
            paths = ["/v1/events", f"/v1/events?jobs={job}", f"/v1/jobs/{job}/events"]
            streams = [opened(url, paths[n % 3]) for n in range(50)]
            process.send_signal(signal.SIGTERM)
            for stream in streams:
                assert rest_of(stream).endswith(b"0\r\n\r\n")  # ended, not cut off
            process.stderr.read()
            assert process.wait(60) in (0, -signal.SIGTERM)
        finally:
            process.kill()


def submit(url: str) -> str:
    transport = Transport(url, TOKENS["admin"])
    try:
        client = CoordinatorClient(transport)
        client.register(registration("learner"))
        return client.submit(a_job()).id
    finally:
        transport.close()


def opened(url: str, path: str) -> socket.socket:
    """Open a stream and wait until it has begun."""
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKENS['read']}"
    connection.sendall(f"{request}\r\n\r\n".encode())
    head = b""
    while b"retry: 1000" not in head:
        head += connection.recv(4096)
    return connection


def rest_of(connection: socket.socket) -> bytes:
    with connection:
        found = b""
        while not found.endswith(b"0\r\n\r\n") and (part := connection.recv(65536)):
            found += part
    return found
