"""The coordinator's numbers in Prometheus' text format."""

import re
from pathlib import Path

import pytest

from ganforge.errors import LeaseLost
from ganforge.wire.jobs import JobState
from ganforge_coordinator.app import create_app
from tests.chaos.proxy import FINE, Weather, proxied
from tests.coordinator.conftest import settings
from tests.coordinator.running import Coordinator, running
from tests.support.postgres import PostgresServer


def numbers(coordinator: Coordinator, name: str, text: str | None = None) -> dict[str, float]:
    """Read the series of one name, by their labels."""
    text = text or coordinator.http.get("/metrics").text
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def test_jobs_learners_and_requests_are_counted(coordinator: Coordinator) -> None:
    assert numbers(coordinator, "ganforge_jobs")['state="QUEUED"'] == 0
    assert numbers(coordinator, "ganforge_learners_alive")[""] == 0
    job = coordinator.submit()
    learner = coordinator.learner()
    assert numbers(coordinator, "ganforge_jobs")['state="QUEUED"'] == 1
    assert numbers(coordinator, "ganforge_learners_alive")[""] == 1
    learner.work().complete()
    assert numbers(coordinator, "ganforge_jobs")['state="SUCCEEDED"'] == 1
    assert numbers(coordinator, "ganforge_attempts_total")['outcome="SUCCEEDED"'] == 1
    # The coordinator is shared with other tests, and requests are counted for its whole life.
    shown = (
        'http_request_method="GET",http_response_status_code="200",http_route="/v1/jobs/{job_id}"'
    )
    before = numbers(coordinator, "http_server_request_duration_seconds_count").get(shown, 0)
    coordinator.client.job(job.id)
    counted = numbers(coordinator, "http_server_request_duration_seconds_count")
    assert counted[shown] == before + 1
    assert not any(job.id in labels for labels in counted), "a job would be a series of its own"


def test_what_learners_do_is_counted_as_it_is_done(coordinator: Coordinator) -> None:
    """By differences: the coordinator is shared, and these are counted for its whole life."""

    def counted() -> dict[str, float]:
        names = ("claim_wait_seconds_count", "progress_points_total", "lease_expirations_total")
        told = {name: numbers(coordinator, f"ganforge_{name}")[""] for name in names}
        fenced = numbers(coordinator, "ganforge_fenced_requests_total")
        return told | {"fenced": fenced.get('op="pushProgress"', 0)}

    before = counted()
    coordinator.submit()
    work = coordinator.learner().work()
    work.push(0, 0, [0.5, 0.4, 0.3])
    assert not work.push(0, 0, [0.5, 0.4, 0.3]).applied
    assert 0 <= numbers(coordinator, "ganforge_heartbeat_age_seconds")[""] < 600
    coordinator.expire(work.id)
    with pytest.raises(LeaseLost):
        work.push(1, 3, [0.2])
    coordinator.until(work.job_id, JobState.QUEUED)
    while counted()["lease_expirations_total"] == before["lease_expirations_total"]:
        pass  # it is counted when it is kept, and that was heard of a moment ago
    assert {name: value - before[name] for name, value in counted().items()} == {
        "claim_wait_seconds_count": 1,
        "progress_points_total": 3,
        "lease_expirations_total": 1,
        "fenced": 1,
    }
    assert numbers(coordinator, "ganforge_reaper_last_tick_timestamp_seconds")[""] > 1e9


@pytest.mark.parametrize("weather", [Weather(parted=True), Weather(frozen=True)])
def test_a_database_that_is_away_costs_its_own_numbers_alone(
    postgres_server: PostgresServer, tmp_path: Path, weather: Weather
) -> None:
    up = 'service="coordinator"'
    with proxied(postgres_server.socket, http=False) as proxy:
        reached = postgres_server.through(postgres_server.new_database(), proxy.port)
        with running(create_app(settings(tmp_path, reached))) as coordinator:
            coordinator.http.get("/livez")
            proxy.change(weather)
            try:
                text = coordinator.http.get("/metrics").text
            finally:
                proxy.change(FINE)  # what hangs would never end
            assert numbers(coordinator, "ganforge_database_up", text) == {up: 0}
            assert not numbers(coordinator, "ganforge_jobs", text)
            assert numbers(coordinator, "http_server_request_duration_seconds_count", text)
            while numbers(coordinator, "ganforge_database_up") != {up: 1}:
                pass
            assert numbers(coordinator, "ganforge_jobs")['state="QUEUED"'] == 0
