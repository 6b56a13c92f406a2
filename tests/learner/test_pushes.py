"""Progress that a coordinator lost with its power is sent again, as far as it is kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from ganforge.errors import SequenceGap
from ganforge.wire.learning import ProgressPush
from ganforge_coordinator.app import create_app
from ganforge_coordinator.db.models import attempt_members, progress_chunks
from ganforge_learner.pushes import KEPT, Pushes
from tests.coordinator.conftest import settings
from tests.coordinator.running import Coordinator, Work, running


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[Coordinator]:
    with running(create_app(settings(tmp_path, f"sqlite:///{tmp_path}/test.db"))) as coordinator:
        yield coordinator


def a_push(seq: int) -> ProgressPush:
    return ProgressPush(seq=seq, first=seq, series={"minibatchLoss": [float(seq)]})


def lose_the_power(coordinator: Coordinator, work: Work, seq: int) -> None:
    """Forget the pushes from ``seq`` on, as if they had not been written when the power went."""
    with coordinator.database.write() as connection:
        connection.execute(delete(progress_chunks).where(progress_chunks.c.seq >= seq))
        of_attempt = attempt_members.c.attempt_id == work.id
        connection.execute(update(attempt_members).where(of_attempt).values(next_seq=seq))


def test_what_the_coordinator_lost_is_sent_again_in_order(coordinator: Coordinator) -> None:
    coordinator.submit()
    work = coordinator.learner().work()
    pushes = Pushes(work.client, work.id)
    for seq in range(6):
        pushes.send(a_push(seq))
    lose_the_power(coordinator, work, 3)
    pushes.send(a_push(6))
    pushes.send(a_push(6))  # an answer was lost, it is tried again
    told = coordinator.client.progress(work.job_id)
    assert told.iterations == list(range(7))
    assert told.series["minibatchLoss"] == [float(seq) for seq in range(7)]


def test_what_is_not_kept_any_more_cannot_be_sent_again(coordinator: Coordinator) -> None:
    coordinator.submit()
    work = coordinator.learner().work()
    pushes = Pushes(work.client, work.id)
    for seq in range(KEPT + 2):
        pushes.send(a_push(seq))
    lose_the_power(coordinator, work, 0)
    with pytest.raises(SequenceGap):
        pushes.send(a_push(KEPT + 2))
