"""Jobs choose their learners by labels: none goes to another, none holds up the next."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from sqlalchemy import select

from ganforge.errors import BadInput
from ganforge.wire.jobs import JobState
from ganforge.wire.labels import LabelSelector
from ganforge_coordinator.db.models import learner_selectors, selectors
from tests.coordinator.running import Coordinator
from tests.coordinator.test_submit import GOOD, problem_of

InThread = Callable[..., Future[Any]]


@pytest.mark.parametrize(
    "target_filter",
    [
        "(&(gpu.count>=1)(!(pool=test)))",
        {
            "matchExpressions": [
                {"key": "gpu.count", "operator": "Gt", "values": [0]},
                {"key": "pool", "operator": "NotIn", "values": ["test"]},
            ]
        },
    ],
)
def test_a_job_goes_to_the_learner_that_fits_and_to_no_other(
    coordinator: Coordinator, target_filter: Any
) -> None:
    others = [
        coordinator.learner("cpu", labels={"gpu.count": "0"}),
        coordinator.learner("tester", labels={"gpu.count": "1", "pool": "test"}),
        coordinator.learner("bare"),
    ]
    job = coordinator.submit(target_filter=target_filter)
    late = coordinator.learner("late", labels={"gpu.count": "x"})
    for other in (*others, late):
        assert other.claim() is None
    assert coordinator.learner("gpu", labels={"gpu.count": "2"}).take().job_id == job.id


def test_a_learner_knows_of_a_selector_whether_it_came_before_or_after(
    coordinator: Coordinator,
) -> None:
    before = coordinator.learner("before", labels={"pool": "blue"})
    first = coordinator.submit(target_filter="(pool=blue)")
    second = coordinator.submit(target_filter={"matchLabels": {"pool": "blue"}})
    after = coordinator.learner("after", labels={"pool": "blue"})
    assert before.take().job_id == first.id
    assert after.take().job_id == second.id
    with coordinator.database.read() as connection:
        assert len(connection.execute(select(selectors)).all()) == 1  # both ask for the same


def test_a_learner_is_chosen_by_what_it_says_last(coordinator: Coordinator) -> None:
    job = coordinator.submit(target_filter="(pool=blue)")
    learner = coordinator.learner("one", boot_id="boot-0001", labels={"pool": "red"})
    assert learner.claim() is None
    coordinator.learner("one", boot_id="boot-0001", labels={"pool": "blue"})
    assert learner.take().job_id == job.id


def test_a_process_that_was_superseded_fits_nothing_any_more(coordinator: Coordinator) -> None:
    coordinator.submit(target_filter="(pool=blue)")
    coordinator.learner("one", labels={"pool": "blue"})
    coordinator.learner("one", labels={"pool": "red"})
    with coordinator.database.read() as connection:
        assert connection.execute(select(learner_selectors)).all() == []


def test_name_id_device_and_version_are_labels_that_nobody_can_borrow(
    coordinator: Coordinator,
) -> None:
    learner = coordinator.learner("ada", labels={"name": "bob", "id": "7"})
    coordinator.submit(target_filter="(name=bob)")
    coordinator.submit(target_filter="(id=7)")
    assert learner.claim() is None
    wanted = f"(&(name=ada)(id={learner.id})(device=cpu)(version=0.*))"
    job = coordinator.submit(target_filter=wanted)
    assert learner.take().job_id == job.id
    [told] = coordinator.client.learners()
    assert told.labels == {"name": "ada", "id": learner.id, "device": "cpu", "version": "0.1.0"}


def test_a_job_that_fits_nobody_holds_up_no_other(coordinator: Coordinator) -> None:
    for number in range(30):
        coordinator.submit(target_filter=f"(pool=number-{number})", priority=50)
    job = coordinator.submit()
    assert coordinator.learner().take().job_id == job.id


def test_a_waiting_claim_gets_a_job_with_a_new_filter_at_once(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    red = coordinator.learner("red", labels={"pool": "red"})
    blue = coordinator.learner("blue", labels={"pool": "blue"})
    waiting = {one: in_thread(lambda one=one: one.claim(wait_seconds=20)) for one in (red, blue)}
    first = coordinator.submit(target_filter="(pool=blue)")
    assert waiting[blue].result(60).job_id == first.id
    second = coordinator.submit(target_filter="(pool=red)")
    assert waiting[red].result(60).job_id == second.id


def test_learners_and_selectors_that_come_at_once_all_find_each_other(
    coordinator: Coordinator, in_thread: InThread
) -> None:
    pools = [f"pool-{number}" for number in range(6)]
    submitted = [in_thread(coordinator.submit, target_filter=f"(pool={pool})") for pool in pools]
    come = [in_thread(coordinator.learner, pool, labels={"pool": pool}) for pool in pools]
    jobs = [future.result(60).id for future in submitted]
    taken = [future.result(60).claim().job_id for future in come]
    assert taken == jobs


def test_the_job_tells_its_filter_as_it_was_submitted(coordinator: Coordinator) -> None:
    text = "(&(os=linux)(OS=*))"
    assert coordinator.client.job(coordinator.submit(target_filter=text).id).target_filter == text
    wanted = LabelSelector(match_labels={"os": "linux"})
    told = coordinator.client.job(coordinator.submit(target_filter=wanted).id)
    assert told.target_filter == wanted
    assert coordinator.submit().target_filter is None
    assert coordinator.submit(target_filter={}).target_filter == LabelSelector()


def test_a_job_says_what_it_waits_for_until_it_waits_no_more(coordinator: Coordinator) -> None:
    job = coordinator.submit(target_filter="(pool=blue)")
    assert job.waiting_for == "no learner is here; start one with ganforge learner"
    coordinator.learner("red", labels={"pool": "red"})
    told = coordinator.client.job(job.id).waiting_for
    assert told == "no learner here fits targetFilter: none has pool=blue"
    [listed] = coordinator.client.jobs(states=[JobState.QUEUED])
    assert listed.waiting_for == told
    page = coordinator.send("GET", f"/jobs/{job.id}").text
    assert f"It waits: {told}." in page
    assert "targetFilter=(pool=blue)" in page
    blue = coordinator.learner("blue", labels={"pool": "blue"})
    assert coordinator.client.job(job.id).waiting_for is None
    blue.work()
    assert coordinator.client.job(job.id).waiting_for is None
    second = coordinator.submit(target_filter="(pool=blue)")
    assert second.waiting_for == "one learner could take it, and none of them is free"


def test_a_filter_that_cannot_be_read_is_refused_with_its_place(coordinator: Coordinator) -> None:
    with pytest.raises(BadInput, match=r"targetFilter: at character 10: here a \) is missing"):
        coordinator.submit(target_filter="(os=linux")


@pytest.mark.parametrize(
    ("wrong", "pointer", "why"),
    [
        ("", "/targetFilter", "at least 1 character"),
        ("(" * 5000, "/targetFilter", "at most 4096"),
        (7, "/targetFilter", "give a text such as"),
        ([], "/targetFilter", "give a text such as"),
        ({"matchlabels": {}}, "/targetFilter/matchlabels", "not permitted"),
        ({"matchLabels": {"OS": "linux"}}, "/targetFilter/matchLabels/OS", "no label"),
        ({"matchLabels": {"os": True}}, "/targetFilter/matchLabels/os", "valid string"),
        (
            {"matchExpressions": [{"key": "os", "operator": "Like"}]},
            "/targetFilter/matchExpressions/0/operator",
            "'In'",
        ),
        (
            {"matchExpressions": [{"key": "os", "operator": "In"}]},
            "/targetFilter/matchExpressions/0",
            "one or more values",
        ),
        (
            {"matchExpressions": [{"key": "os", "operator": "Exists", "values": ["x"]}]},
            "/targetFilter/matchExpressions/0",
            "takes no values",
        ),
        (
            {"matchExpressions": [{"key": "gpu.count", "operator": "Gt", "values": ["many"]}]},
            "/targetFilter/matchExpressions/0",
            "a number",
        ),
    ],
)
def test_a_malformed_filter_is_refused_with_a_pointer_to_the_place(
    coordinator: Coordinator, wrong: Any, pointer: str, why: str
) -> None:
    problem = problem_of(coordinator, {**GOOD, "targetFilter": wrong})
    told = problem["errors"][0]
    assert told["pointer"].startswith(pointer)
    assert why in told["detail"]


def test_a_label_with_a_name_that_no_filter_could_ask_for_is_refused(
    coordinator: Coordinator,
) -> None:
    body = {"name": "one", "bootId": "boot-0001", "device": "cpu", "version": "1"}
    body |= {"datasets": [], "strategies": [], "labels": {"Pool": "blue"}}  # type: ignore[dict-item]
    answer = coordinator.send("POST", "/v1/learners", json=body)
    assert answer.status_code == 422
    assert "/labels/Pool" in answer.json()["errors"][0]["pointer"]
