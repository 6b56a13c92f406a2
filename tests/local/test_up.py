import signal
import socket
import stat
from pathlib import Path

import httpx
import psutil
import pytest

from ganforge import JobState
from tests.local.processes import are_gone, command, up
from tests.support.readiness import ready

NETWORKS = ["DigitsGenerator", "DigitsDiscriminator"]


def test_the_pages_url_has_the_token_as_its_fragment(tmp_path: Path) -> None:
    with up(tmp_path, learners=0) as running:
        assert running.page == f"{running.url}/#token={running.token}"
        assert stat.S_IMODE((tmp_path / "data" / "token").stat().st_mode) == 0o600
        with httpx.Client(base_url=running.url) as http:
            assert ready(http).status_code == 200
        code, _, err = running.terminate()
    assert code == 0
    assert err.splitlines()[-1] == "ended"


def test_a_taken_port_is_one_sentence_and_nothing_is_touched(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with command("up", "--port", port, "--data", "data", folder=tmp_path) as started:
            code, out, err = started.end()
    assert code == 6
    assert out == ""
    assert len(err.splitlines()) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in err
    assert "--port" in err
    assert not (tmp_path / "data").exists()


def test_a_data_folder_in_use_is_not_used_twice(tmp_path: Path) -> None:
    again = ("up", "--port", "0", "--data", "data")
    with up(tmp_path, learners=0), command(*again, folder=tmp_path) as second:
        code, out, err = second.end()
    assert code == 6
    assert out == ""
    assert "is in use by another ganforge up or demo" in err


@pytest.mark.e2e
def test_sigterm_gives_the_job_back_and_ends_the_learners(tmp_path: Path) -> None:
    with up(tmp_path) as running, running.client() as client:
        running.wait_for_learner()
        job = client.learn(NETWORKS, "digits", method="ADAM")  # runs until it is stopped
        next(client.jobs.watch(job.id))
        family = running.command.family()
        code, _, _ = running.terminate()
        assert code == 0
        assert len(family) >= 2  # the agent and its trainer
        assert are_gone(family)
    with up(tmp_path, learners=0) as again, again.client() as client:
        job = client.jobs.get(job.id)
        assert (job.state, job.attempts[-1].state) == (JobState.QUEUED, "RELEASED")
        found = client.weights.version("DigitsGenerator", tag=job.tag)
        assert found.iteration == job.iteration > 0


@pytest.mark.e2e
def test_the_learners_end_when_up_is_killed(tmp_path: Path) -> None:
    with up(tmp_path) as running, running.client() as client:
        running.wait_for_learner()
        job = client.learn(NETWORKS, "digits")
        next(client.jobs.watch(job.id))
        family = running.command.family()
        running.command.signal(signal.SIGKILL)
        assert len(family) >= 2
        assert are_gone(family)


@pytest.mark.e2e
def test_a_learner_that_crashes_is_started_again_and_its_job_goes_on(tmp_path: Path) -> None:
    with up(tmp_path) as running, running.client() as client:
        running.wait_for_learner()
        job = client.learn(NETWORKS, "digits", maxIterations=2000, storeInterval=100)
        watched = client.jobs.watch(job.id)
        next(watched)
        agent = psutil.Process(running.command.process.pid).children()[0]
        agent.kill()
        said = running.command.until("starting it again")
        assert "learner-1 ended (SIGKILL)" in said
        for _ in watched:
            pass
        job = client.jobs.get(job.id)
        assert (job.state, job.iteration) == (JobState.SUCCEEDED, 2000)
        assert [attempt.state for attempt in job.attempts] == ["LOST", "SUCCEEDED"]
        running.terminate()


@pytest.mark.e2e
def test_a_second_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        running.wait_for_learner()
        family = running.command.family()
        running.command.signal(signal.SIGINT)
        running.command.until("ending")
        running.command.signal(signal.SIGINT)
        code, _, err = running.command.end()
        assert (code, "Traceback" in err) == (0, False)
        assert are_gone(family)
