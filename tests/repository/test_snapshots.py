import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ganforge import digest
from ganforge.errors import BadWeights, Conflict, NotFound, StaleEpoch, UnknownName
from ganforge.wire.weights import NetworkBlobs, Snapshot, VersionRef
from tests.repository.conftest import Repository
from tests.repository.files import state_of, weights_of

COMMITTED = ("snapshots", "versions", "tags")


def test_a_snapshot_makes_one_version_of_each_network(repository: Repository) -> None:
    client = repository.client("learner")
    assert client.open_epoch("job", 1, tag="run").snapshot is None

    first = client.commit_snapshot("job", repository.commit_of(1, 10))
    second = client.commit_snapshot("job", repository.commit_of(1, 20))

    assert {name: made.version for name, made in first.networks.items()} == {
        "Generator": 1,
        "Discriminator": 1,
    }
    assert client.latest_snapshot("job") == second
    version = client.version("Generator", "run")
    assert (version.version, version.iteration, version.job, version.epoch) == (2, 20, "job", 1)
    assert version.parent == VersionRef(tag="run", version=1)
    assert version.losses == {"minibatchLoss": 0.5, "dLossReal": None}
    assert client.version("Generator", "run", 1).parent is None
    assert second.config == {"batchSize": 16}
    assert second.state == digest.of_bytes(state_of(20))


def test_the_same_snapshot_again_gives_the_same_answer(repository: Repository) -> None:
    client = repository.client("learner")
    client.open_epoch("job", 1, tag="run")
    commit = repository.commit_of(1, 10)
    body = commit.model_dump(mode="json")

    answers = [repository.send("POST", "/v1/snapshots/job", json=body) for _ in range(3)]
    client.commit_snapshot("job", repository.commit_of(1, 20))
    late = client.commit_snapshot("job", commit)

    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert late == Snapshot.model_validate(answers[0].json())
    assert client.version("Generator", "run").version == 2


def test_the_same_snapshot_from_many_threads_is_committed_once(repository: Repository) -> None:
    client = repository.client("learner")
    client.open_epoch("job", 1, tag="run")
    commit = repository.commit_of(1, 10)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: client.commit_snapshot("job", commit), range(8)))

    assert all(snapshot == made[0] for snapshot in made)
    assert repository.count("versions") == 2


def test_the_same_iteration_with_another_body_is_refused(repository: Repository) -> None:
    client = repository.client("learner")
    client.open_epoch("job", 1, tag="run")
    commit = repository.commit_of(1, 10)
    client.commit_snapshot("job", commit)

    with pytest.raises(Conflict, match="committed before, with another body"):
        client.commit_snapshot("job", commit.model_copy(update={"losses": {"other": 1.0}}))
    with pytest.raises(Conflict, match="later snapshot"):
        client.commit_snapshot("job", repository.commit_of(1, 9))


def test_a_snapshot_that_fails_in_one_network_leaves_nothing_of_the_other(
    repository: Repository,
) -> None:
    client = repository.client("learner")
    client.open_epoch("job", 1, tag="run")
    commit = repository.commit_of(1, 10)
    swapped = {
        "Discriminator": commit.networks["Discriminator"],
        "Generator": commit.networks["Discriminator"],
    }

    with pytest.raises(BadWeights, match="do not fit Generator"):
        client.commit_snapshot("job", commit.model_copy(update={"networks": swapped}))

    assert repository.count(*COMMITTED) == 0


def test_a_missing_blob_is_named(repository: Repository) -> None:
    client = repository.client("learner")
    client.open_epoch("job", 1, tag="run")
    missing = digest.of_bytes(b"missing")
    commit = repository.commit_of(1, 10).model_copy(update={"state": missing})

    with pytest.raises(BadWeights, match="upload it first") as refusal:
        client.commit_snapshot("job", commit)

    assert refusal.value.members == {"missing": [missing]}
    assert repository.count(*COMMITTED) == 0


def test_a_picture_is_no_state(repository: Repository) -> None:
    client = repository.client("learner")
    client.open_epoch("job", 1, tag="run")
    commit = repository.commit_of(1, 10)
    samples = commit.networks["Generator"].samples

    with pytest.raises(BadWeights, match="is image/png, not"):
        client.commit_snapshot("job", commit.model_copy(update={"state": samples}))


def test_an_unknown_network_is_refused_with_the_nearest_known(repository: Repository) -> None:
    client = repository.client("learner")
    client.open_epoch("job", 1, tag="run")
    networks = {"Generatr": NetworkBlobs(weights=repository.put(weights_of("Generator")))}
    commit = repository.commit_of(1, 10).model_copy(update={"networks": networks})

    with pytest.raises(UnknownName, match="did you mean Generator") as refusal:
        client.commit_snapshot("job", commit)

    assert "Generator" in refusal.value.members["known"]
    assert repository.count(*COMMITTED) == 0


def test_a_new_epoch_goes_on_from_the_latest_snapshot_and_shuts_out_the_old(
    repository: Repository,
) -> None:
    client = repository.client("learner")
    client.open_epoch("job", 1, tag="run")
    first = client.commit_snapshot("job", repository.commit_of(1, 10))

    opened = client.open_epoch("job", 3, tag="run")

    assert opened.snapshot == first
    assert client.open_epoch("job", 3, tag="run") == opened
    for stale in (1, 2):
        with pytest.raises(StaleEpoch) as refusal:
            client.commit_snapshot("job", repository.commit_of(stale, 20))
        assert refusal.value.members == {"epoch": 3}
        with pytest.raises(StaleEpoch) as refusal:
            client.open_epoch("job", stale, tag="run")
        assert refusal.value.members == {"epoch": 3}
    with pytest.raises(StaleEpoch):
        client.commit_snapshot("job", repository.commit_of(1, 10))
    assert client.latest_snapshot("job") == first


def test_a_new_epoch_may_begin_again_at_an_earlier_iteration(repository: Repository) -> None:
    client = repository.client("learner")
    client.open_epoch("job", 1, tag="run")
    client.commit_snapshot("job", repository.commit_of(1, 20))
    client.open_epoch("job", 2, tag="run")

    again = client.commit_snapshot("job", repository.commit_of(2, 10))

    assert client.latest_snapshot("job") == again
    assert client.version("Generator", "run").version == 2


def test_an_epoch_has_to_be_opened_first(repository: Repository) -> None:
    client = repository.client("learner")

    with pytest.raises(Conflict, match="never opened"):
        client.commit_snapshot("job", repository.commit_of(1, 10))
    client.open_epoch("job", 1, tag="run")
    with pytest.raises(Conflict, match="never opened"):
        client.commit_snapshot("job", repository.commit_of(2, 10))

    assert repository.count(*COMMITTED) == 0


def test_a_job_nobody_heard_of_has_no_snapshot(repository: Repository) -> None:
    assert repository.client("read").latest_snapshot("nobody") is None
    with pytest.raises(NotFound):
        repository.transport("read").request("GET", "/v1/snapshots/nobody")


def test_jobs_that_share_a_tag_number_its_versions_without_gaps(repository: Repository) -> None:
    client = repository.client("learner")
    for job in range(4):
        client.open_epoch(f"job{job}", 1, tag="run")
    commits = [repository.commit_of(1, iteration) for iteration in range(5)]

    def learn(job: int) -> list[int]:
        made = [client.commit_snapshot(f"job{job}", commit) for commit in commits]
        assert all(len({part.version for part in one.networks.values()}) == 1 for one in made)
        return [one.networks["Generator"].version for one in made]

    with ThreadPoolExecutor(4) as pool:
        numbers = [number for made in pool.map(learn, range(4)) for number in made]

    assert sorted(numbers) == list(range(1, 21))


def test_after_an_epoch_is_opened_no_older_one_slips_a_version_in(repository: Repository) -> None:
    client = repository.client("learner")
    commits = [repository.commit_of(1, iteration) for iteration in range(15)]
    for round_number in range(4):
        job = f"job{round_number}"
        client.open_epoch(job, 1, tag=job)
        under_way = threading.Event()

        def learn(job: str = job, under_way: threading.Event = under_way) -> int:
            for count, commit in enumerate(commits):
                try:
                    client.commit_snapshot(job, commit.model_copy(update={"tag": job}))
                except StaleEpoch:
                    return count
                under_way.set()
            return len(commits)

        with ThreadPoolExecutor(1) as pool:
            learning = pool.submit(learn)
            assert under_way.wait(30)
            opened = client.open_epoch(job, 2, tag=job)
            count = learning.result(30)

        assert opened.snapshot == client.latest_snapshot(job)
        assert client.version("Generator", job).version == count


def test_of_many_learners_that_open_at_once_the_newest_wins(repository: Repository) -> None:
    client = repository.client("learner")
    barrier = threading.Barrier(8)

    def open_epoch(epoch: int) -> bool:
        barrier.wait(30)
        try:
            client.open_epoch("job", epoch, tag="run")
        except StaleEpoch:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(open_epoch, range(1, 9)))

    assert opened[-1]
    with pytest.raises(StaleEpoch):
        client.open_epoch("job", 7, tag="run")


def test_a_moving_average_is_defined_with_its_first_snapshot(repository: Repository) -> None:
    client = repository.client("learner")
    client.open_epoch("job", 1, tag="run")
    for iteration in (10, 20):
        commit = repository.commit_of(1, iteration)
        average = NetworkBlobs(weights=repository.put(weights_of("Generator", iteration + 1)))
        networks = {**commit.networks, "Generator-ema": average}
        client.commit_snapshot("job", commit.model_copy(update={"networks": networks}))
    made = client.network("Generator-ema")
    followed = client.network("Generator")
    assert made.definition["modules"] == followed.definition["modules"]
    assert made.parameters == followed.parameters
    assert "moving average" in made.definition["description"]
    assert client.version("Generator-ema", "run").version == 2
    promoted = repository.client("submit").promote("Generator-ema", "best", from_tag="run")
    assert promoted.iteration == 20


def test_a_moving_average_of_no_network_in_the_snapshot_is_unknown(repository: Repository) -> None:
    client = repository.client("learner")
    client.open_epoch("job", 1, tag="run")
    commit = repository.commit_of(1, 10)
    average = NetworkBlobs(weights=repository.put(weights_of("Generator", 1)))
    networks = {"Discriminator": commit.networks["Discriminator"], "Generator-ema": average}
    with pytest.raises(UnknownName, match="there is no network Generator-ema"):
        client.commit_snapshot("job", commit.model_copy(update={"networks": networks}))


def test_an_average_must_fit_what_it_follows(repository: Repository) -> None:
    client = repository.client("learner")
    client.open_epoch("job", 1, tag="run")
    commit = repository.commit_of(1, 10)
    average = NetworkBlobs(weights=repository.put(weights_of("Discriminator", 1)))
    networks = {**commit.networks, "Generator-ema": average}
    with pytest.raises(BadWeights, match="Generator-ema"):
        client.commit_snapshot("job", commit.model_copy(update={"networks": networks}))
    with pytest.raises(NotFound):
        client.network("Generator-ema")
