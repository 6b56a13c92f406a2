"""Tokens: made by admins, kept as hashes, and nobody acts for another's learner."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from ganforge._transport import Transport
from ganforge.coordinator import CoordinatorClient
from ganforge.errors import NotAllowed, NotAuthenticated
from ganforge.tokens import Tokens
from ganforge.wire.learning import Outcome
from ganforge.wire.tokens import IssuedToken, Role
from ganforge_chassis.clock import now_ms
from ganforge_coordinator.db.models import api_tokens, attempt_members, learners
from ganforge_coordinator.roster import ALIVE_MS
from ganforge_repository.app import create_app as create_repository
from ganforge_repository.settings import RepositorySettings
from tests.coordinator.conftest import Start
from tests.coordinator.running import TOKENS, Coordinator, Learner, Work
from tests.support.served_app import served


@pytest.fixture
def tokens(coordinator: Coordinator) -> Iterator[Tokens]:
    transport = Transport(coordinator.url, TOKENS["admin"], retries=0)
    yield Tokens(transport)
    transport.close()


def ask(coordinator: Coordinator, token: str, path: str = "/v1/caller") -> httpx.Response:
    return coordinator.http.get(path, headers={"Authorization": f"Bearer {token}"})


def test_a_token_that_was_made_does_what_its_role_may(
    coordinator: Coordinator, tokens: Tokens
) -> None:
    made = tokens.create("read", "ada")
    assert made.token.startswith("gf_")
    assert ask(coordinator, made.token).json() == {"role": "read", "principal": "ada"}
    assert ask(coordinator, made.token, "/v1/jobs").status_code == 200
    assert ask(coordinator, made.token, "/v1/tokens").status_code == 403


def test_nothing_but_the_hash_of_a_token_is_kept(coordinator: Coordinator, tokens: Tokens) -> None:
    made = tokens.create(Role.READ, "ada")
    with coordinator.database.read() as connection:
        (row,) = connection.execute(select(api_tokens)).mappings()
    assert row["sha256"] == hashlib.sha256(made.token.encode()).hexdigest()
    assert made.token not in str(dict(row))
    (listed,) = tokens.list()
    assert "token" not in listed.model_dump()
    assert (listed.id, listed.principal, listed.expires_at) == (made.id, "ada", None)


def test_the_answer_that_tells_a_token_is_not_to_be_stored(coordinator: Coordinator) -> None:
    body = {"role": "read", "principal": "ada"}
    answer = coordinator.send("POST", "/v1/tokens", json=body)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert answer.headers["location"] == f"/v1/tokens/{answer.json()['id']}"


def test_a_revoked_token_is_refused_at_once(coordinator: Coordinator, tokens: Tokens) -> None:
    made = tokens.create("read", "ada")
    assert ask(coordinator, made.token).status_code == 200
    tokens.revoke(made.id)
    assert ask(coordinator, made.token).status_code == 401
    assert not list(tokens.list())


def test_a_token_revoked_elsewhere_is_refused_once_it_is_no_longer_trusted(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganforge_chassis.tokens.TRUST_SECONDS", 0.0)
    with start() as one, start() as other:
        made = one.send("POST", "/v1/tokens", json={"role": "read", "principal": "ada"}).json()
        assert ask(other, made["token"]).status_code == 200
        one.send("DELETE", f"/v1/tokens/{made['id']}")
        assert ask(other, made["token"]).status_code == 401


def test_an_expired_token_is_refused(coordinator: Coordinator, tokens: Tokens) -> None:
    made = tokens.create("read", "ada", lifetime_seconds=3600)
    assert made.expires_at is not None
    assert (made.expires_at - made.created_at).total_seconds() == 3600
    assert ask(coordinator, made.token).status_code == 200
    with coordinator.database.write() as connection:
        connection.execute(update(api_tokens).values(expires_ms=now_ms()))
    coordinator.app.state.tokens.forget()
    assert ask(coordinator, made.token).status_code == 401


def test_the_last_use_is_known(coordinator: Coordinator, tokens: Tokens) -> None:
    made = tokens.create("read", "ada")
    (unused,) = tokens.list()
    ask(coordinator, made.token)
    (used,) = tokens.list()
    assert unused.last_used_at is None
    assert used.last_used_at is not None
    assert used.last_used_at >= made.created_at


@pytest.mark.parametrize(
    "change",
    [
        {"role": "root"},
        {"principal": ""},
        {"principal": "has space"},
        {"lifetimeSeconds": 0},
        {"lifetimeSeconds": 10**12},
        {"token": "of my choice"},
    ],
)
def test_a_token_of_nonsense_is_not_made(
    coordinator: Coordinator, tokens: Tokens, change: dict[str, Any]
) -> None:
    body = {"role": "read", "principal": "ada", **change}
    assert coordinator.send("POST", "/v1/tokens", json=body).status_code == 422
    assert not list(tokens.list())


def worker(coordinator: Coordinator, made: IssuedToken) -> CoordinatorClient:
    return coordinator.client_with(made.token)


def test_a_learner_may_touch_its_own_attempts_alone(
    coordinator: Coordinator, tokens: Tokens
) -> None:
    ada = worker(coordinator, tokens.create("learner", "ada"))
    bob = worker(coordinator, tokens.create("learner", "bob"))
    job = coordinator.submit()
    learner = Learner(ada, "ada")
    learner_of_bob = Learner(bob, "bob")
    work = learner.work()
    stolen = Work(bob, work.assignment)
    for act in (
        lambda: stolen.beat(),
        lambda: stolen.push(0, 0, [1.0]),
        lambda: stolen.note(1),
        lambda: stolen.complete(),
    ):
        with pytest.raises(NotAllowed, match="another learner"):
            act()
    learner_of_bob.id = learner.id
    with pytest.raises(NotAllowed):
        learner_of_bob.claim()
    work.push(0, 0, [1.0])
    work.complete()
    assert coordinator.client.job(job.id).state == "SUCCEEDED"


def test_another_token_of_the_same_principal_goes_on(
    coordinator: Coordinator, tokens: Tokens
) -> None:
    before, after = (tokens.create("learner", "ada") for _ in range(2))
    coordinator.submit()
    work = Learner(worker(coordinator, before), "ada").work()
    tokens.revoke(before.id)
    with pytest.raises(NotAuthenticated):
        work.beat()
    Work(worker(coordinator, after), work.assignment).complete(Outcome.RELEASED)


def test_nobody_takes_the_name_of_anothers_learner_while_that_lives(
    coordinator: Coordinator, tokens: Tokens
) -> None:
    ada = worker(coordinator, tokens.create("learner", "ada"))
    bob = worker(coordinator, tokens.create("learner", "bob"))
    Learner(ada, "gpu-1")
    with pytest.raises(NotAllowed, match="--name"):
        Learner(bob, "gpu-1", boot_id="another-boot")
    Learner(coordinator.client, "gpu-1", boot_id="an-admins-boot")
    with coordinator.database.write() as connection:
        silent = learners.c.last_seen_ms - 2 * ALIVE_MS
        connection.execute(update(learners).values(last_seen_ms=silent))
    Learner(bob, "gpu-1", boot_id="yet-another-boot")


def test_a_learner_from_before_principals_were_kept_is_anybodys(
    coordinator: Coordinator, tokens: Tokens
) -> None:
    coordinator.submit()
    assignment = coordinator.learner().take().assignment
    with coordinator.database.write() as connection:
        connection.execute(update(learners).values(principal=None))
        assert connection.execute(select(attempt_members)).all()
    Work(worker(coordinator, tokens.create("learner", "ada")), assignment).beat()


def test_the_repository_asks_the_coordinator_whose_a_token_is(
    coordinator: Coordinator, tokens: Tokens, tmp_path: Path
) -> None:
    made = tokens.create("read", "ada")
    own = "gf_the_repositorys_own_token"
    settings = RepositorySettings(
        data=tmp_path, tokens=f"admin:{own}", coordinator_url=coordinator.url
    )
    with served(create_repository(settings)) as url, httpx.Client(base_url=url) as http:

        def status(token: str) -> int:
            headers = [(b"Authorization", f"Bearer {token}".encode())]
            return http.get("/v1/networks", headers=headers).status_code

        assert [status(token) for token in (made.token, own)] == [200, 200]
        assert [status(token) for token in ("gf_nobody_knows_this_one", "é" * 20)] == [401, 401]
        headers = {"Authorization": f"Bearer {made.token}"}
        assert http.put("/v1/networks/A", json={}, headers=headers).status_code in (403, 422)


def test_a_repository_whose_coordinator_is_away_says_to_come_again(tmp_path: Path) -> None:
    own = "gf_the_repositorys_own_token"
    settings = RepositorySettings(
        data=tmp_path, tokens=f"admin:{own}", coordinator_url="http://127.0.0.1:9"
    )
    with served(create_repository(settings)) as url, httpx.Client(base_url=url) as http:
        for token, status in ((own, 200), ("gf_of_somebody_perhaps", 503)):
            headers = {"Authorization": f"Bearer {token}"}
            assert http.get("/v1/networks", headers=headers).status_code == status
