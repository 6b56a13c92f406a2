"""The coordinator's numbers in Prometheus' text format."""

import re

from tests.coordinator.running import Coordinator


def numbers(coordinator: Coordinator, name: str) -> dict[str, float]:
    """Read the series of one name, by their labels."""
    text = coordinator.http.get("/metrics").text
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
    shown = 'method="GET",route="/v1/jobs/{job_id}",status="200"'
    before = numbers(coordinator, "ganforge_http_request_seconds_count").get(shown, 0)
    coordinator.client.job(job.id)
    counted = numbers(coordinator, "ganforge_http_request_seconds_count")
    assert counted[shown] == before + 1
    assert not any(job.id in labels for labels in counted), "a job would be a series of its own"
