import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.ipc
import pytest

import ganforge
from ganforge import Client, JobFailed, JobState
from ganforge.errors import (
    BadInput,
    InvalidState,
    NotAuthenticated,
    NotFound,
    UnknownName,
    Unreachable,
)
from ganforge.wire.progress import LearnProgress
from ganforge.wire.strategies import BUILT_IN
from ganforge_local.server import LocalServer
from tests.local.serving import PlayedLearner

NETWORKS = ["Generator", "Discriminator"]


def test_all_that_is_promised_can_be_imported() -> None:
    for name in ganforge.__all__:
        assert getattr(ganforge, name) is not None
    assert set(ganforge.__all__) <= set(dir(ganforge))
    with pytest.raises(AttributeError, match="has no attribute 'Clinet'"):
        ganforge.Clinet  # noqa: B018


def test_the_client_needs_httpx_and_pydantic_only() -> None:
    code = (
        "import sys; from ganforge import Client; Client().close();"
        # httpx has a command line of its own, so click and rich may come with it.
        "heavy = {'torch', 'numpy', 'fastapi', 'sqlalchemy', 'uvicorn', 'PIL', 'safetensors'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_learn_submits_exactly_what_was_said(client: Client) -> None:
    config: dict[str, Any] = {
        "strategy": "GANLearningStrategy",
        "generatorDim": 10,
        "batchSize": 16,
        "method": "SGD",
        "learningRate": 0.001,
        "momentum": 0.9,
        "clean": True,
        "maxIterations": 20_000,
    }
    job = client.learn(NETWORKS, "MNIST", **config)
    assert job.networks == NETWORKS
    assert job.dataset == "MNIST"
    assert job.config.items() >= config.items()
    assert (job.state, job.tag, job.max_iterations) == (JobState.QUEUED, job.id, 20_000)


def test_networks_may_come_as_one_text_with_commas(client: Client) -> None:
    job = client.learn("Generator, Discriminator", "MNIST", name="a run", priority=3)
    assert (job.networks, job.name, job.priority) == (NETWORKS, "a run", 3)


def test_what_is_no_name_is_refused_before_it_is_sent() -> None:
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(BadInput, match=r"networks\.0: String should match"),
    ):
        client.learn(["no name"], "MNIST")


def test_a_target_filter_that_makes_no_sense_is_refused_before_it_is_sent() -> None:
    wrong = {"matchExpressions": [{"key": "os", "operator": "In"}]}
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(BadInput, match=r"matchExpressions\.0: .*takes one or more values"),
    ):
        client.learn(NETWORKS, "MNIST", targetFilter=wrong)


def test_a_misspelt_key_is_named_with_the_nearest_one(client: Client) -> None:
    with pytest.raises(UnknownName, match="did you mean 'batchSize'"):
        client.learn(NETWORKS, "MNIST", batchsize=3)


def test_watch_gives_every_progress_until_the_job_is_over(
    client: Client, learner: PlayedLearner
) -> None:
    job = client.learn(NETWORKS, "MNIST")
    with learner.busy():
        seen = list(client.jobs.watch(job.id))
    assert [progress.iteration for progress in seen] == list(range(10))
    assert seen[-1].minibatch_loss == 0.5
    assert seen[-1].extra == {"dLossReal": 0.25, "dLossFake": 0.125}
    assert client.jobs.get(job.id).state is JobState.SUCCEEDED


def test_watch_raises_when_the_job_fails(client: Client, learner: PlayedLearner) -> None:
    job = client.learn(NETWORKS, "MNIST")
    learner.fail(learner.take(), "a loss is NaN: lower learningRate")
    with pytest.raises(JobFailed, match="lower learningRate") as caught:
        list(client.jobs.watch(job.id))
    assert caught.value.job.state is JobState.FAILED


def test_watch_ends_quietly_when_the_job_is_cancelled(client: Client) -> None:
    job = client.learn(NETWORKS, "MNIST")
    client.jobs.cancel(job.id)
    assert list(client.jobs.watch(job.id)) == []


def test_events_go_on_behind_the_last_one_known(client: Client, learner: PlayedLearner) -> None:
    job = client.learn(NETWORKS, "MNIST")
    learner.do_one_job()
    events = list(client.jobs.events(job.id))
    assert [event.id for event in events] == list(range(1, len(events) + 1))
    assert {"state", "progress", "snapshot"} <= {event.type for event in events}
    assert list(client.jobs.events(job.id, after=events[2].id)) == events[3:]


def test_a_job_is_paused_resumed_stopped_and_retried(client: Client) -> None:
    job = client.learn(NETWORKS, "MNIST")
    assert client.jobs.pause(job.id).state is JobState.PAUSED
    assert client.jobs.resume(job.id).state is JobState.QUEUED
    assert client.jobs.stop(job.id).state is JobState.CANCELLED
    assert client.jobs.retry(job.id).state is JobState.QUEUED
    with pytest.raises(InvalidState, match="cannot be retried now"):
        client.jobs.retry(job.id)


def test_jobs_are_listed_by_state_newest_first(client: Client) -> None:
    first, second = (client.learn(NETWORKS, "MNIST").id for _ in range(2))
    client.jobs.cancel(first)
    assert [job.id for job in client.jobs.list()] == [second, first]
    assert [job.id for job in client.jobs.list("QUEUED")] == [second]
    assert [job.id for job in client.jobs.list(JobState.CANCELLED)] == [first]


def test_progress_comes_as_columns(client: Client, learner: PlayedLearner) -> None:
    job = client.learn(NETWORKS, "MNIST")
    learner.do_one_job()
    told = client.jobs.progress(job.id, first=3, last=5)
    assert told.iterations == [3, 4, 5]
    assert told.series["dLossFake"] == [0.125] * 3


def test_all_progress_comes_point_by_point_and_as_files(
    client: Client, learner: PlayedLearner
) -> None:
    job = client.learn(NETWORKS, "MNIST")
    learner.do_one_job()
    told = list(client.jobs.all_progress(job.id))
    assert [point.iteration for point in told] == list(range(10))
    assert told[0].extra == {"dLossReal": 0.25, "dLossFake": 0.125}
    lines = b"".join(client.jobs.export(job.id, "ndjson")).splitlines()
    assert [LearnProgress.model_validate_json(line) for line in lines] == told
    table = pyarrow.ipc.open_stream(b"".join(client.jobs.export(job.id, "arrow"))).read_all()
    assert table["dLossReal"].to_pylist() == [0.25] * 10
    with pytest.raises(NotFound):
        next(client.jobs.all_progress("job-00000000"))


def test_weights_are_pulled_pushed_promoted_and_compared(
    client: Client, learner: PlayedLearner, tmp_path: Path
) -> None:
    job = client.learn(NETWORKS, "MNIST")
    learner.do_one_job()
    path = client.weights.pull("Generator", tag=job.tag, to=tmp_path / "generator.safetensors")
    assert path.stat().st_size > 0
    pushed = client.weights.push("Generator", path, tag="mine")
    assert (pushed.tag, pushed.version) == ("mine", 1)
    promoted = client.weights.promote("Generator", tag="mine", from_tag=job.tag)
    assert promoted.version == 2
    assert client.weights.diff("Generator", tag="mine", a=1).identical
    assert [found.version for found in client.weights.versions("Generator", tag="mine")] == [2, 1]
    assert {tag.tag for tag in client.weights.tags("Generator")} == {job.tag, "mine"}
    assert client.weights.samples("Generator", tag=job.tag).startswith(b"\x89PNG")
    assert client.weights.version("Generator", tag=job.tag).job == job.id


def test_networks_are_listed_shown_and_defined(client: Client) -> None:
    assert "DigitsGenerator" in {network.name for network in client.networks.list()}
    definition = dict(client.networks.get("Generator").definition)
    mine = client.networks.put("Mine", {**definition, "name": "Mine"})
    assert client.networks.get("Mine").parameters == mine.parameters
    with pytest.raises(NotFound, match="did you mean Generator"):
        client.networks.get("Genrator")


def test_datasets_strategies_and_learners_are_told(client: Client, learner: PlayedLearner) -> None:
    assert {info.name for info in client.datasets()} == {"MNIST", "digits"}
    assert [info.name for info in client.strategies()] == [*BUILT_IN, "EvaluationStrategy"]
    assert [(one.id, one.is_alive) for one in client.learners()] == [(learner.id, True)]


def test_the_environment_names_one_server(
    server: LocalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANFORGE_URL", server.url)
    monkeypatch.setenv("GANFORGE_TOKEN", server.token)
    with Client() as client:
        assert client.jobs.list() is not None
        assert (client.coordinator_url, client.repository_url) == (server.url, server.url)


def test_the_environment_names_two_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANFORGE_URL", "http://both")
    monkeypatch.setenv("GANFORGE_REPOSITORY_URL", "http://repository/")
    with Client() as client:
        assert client.coordinator_url == "http://both"
        assert client.repository_url == "http://repository"
    with Client("somewhere:8080") as client:
        assert client.repository_url == "http://somewhere:8080"


def test_the_token_in_the_data_folder_is_found(server: LocalServer) -> None:
    with Client(server.url) as client:  # the fixtures keep it in ./ganforge-data
        assert list(client.jobs.list()) == []


def test_the_token_in_the_data_folder_is_given_to_no_other_machine(tmp_path: Path) -> None:
    folder = tmp_path / "ganforge-data"
    folder.mkdir()
    (folder / "token").write_text("gf_secret_of_this_machine\n")
    with Client("http://elsewhere.example") as client:
        assert {transport.token for transport in client._transports.values()} == {None}
    with Client("http://localhost:1") as client:
        tokens = {transport.token for transport in client._transports.values()}
        assert tokens == {"gf_secret_of_this_machine"}


def test_a_wrong_token_is_told(server: LocalServer) -> None:
    with (
        Client(server.url, token="wrong") as client,
        pytest.raises(NotAuthenticated, match="check GANFORGE_TOKEN"),
    ):
        client.learners()


def test_a_server_that_is_down_is_told() -> None:
    with (
        Client("http://127.0.0.1:9") as client,
        pytest.raises(Unreachable, match="is the server running"),
    ):
        client.learners()


def test_a_job_can_be_edited_and_deleted(client: Client) -> None:
    job = client.learn(NETWORKS, "MNIST")
    edited = client.jobs.edit(job.id, name="best", priority=3, max_iterations=7)
    assert (edited.name, edited.priority, edited.max_iterations) == ("best", 3, 7)
    with pytest.raises(InvalidState):
        client.jobs.delete(job.id)
    client.jobs.cancel(job.id)
    client.jobs.delete(job.id)
    with pytest.raises(NotFound):
        client.jobs.get(job.id)


def test_a_token_that_was_made_holds_at_both_services(client: Client, server: LocalServer) -> None:
    made = client.tokens.create("submit", "ada", lifetime_seconds=3600)
    with Client(server.url, token=made.token) as ada:
        assert ada.tokens.own().principal == "ada"
        assert ada.learn(NETWORKS, "MNIST").state is JobState.QUEUED
        assert list(ada.networks.list())
    client.tokens.revoke(made.id)
    with Client(server.url, token=made.token) as ada, pytest.raises(NotAuthenticated):
        list(ada.networks.list())
