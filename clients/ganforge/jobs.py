"""Jobs: what one may ask of the learn jobs of a coordinator."""

from collections.abc import Iterator, Sequence
from typing import Any

from ganforge.coordinator import CoordinatorClient
from ganforge.errors import GanforgeError
from ganforge.wire.jobs import (
    Job,
    JobAction,
    JobEvent,
    JobPatch,
    JobState,
    ProgressSeries,
)
from ganforge.wire.progress import LearnProgress
from ganforge.wire.quality import QualityNote

LOSS = "minibatchLoss"


class JobFailed(GanforgeError):
    """A job that was watched has failed; ``job`` tells all of it: change it, or retry it."""

    slug = "job-failed"
    title = "Job failed"

    def __init__(self, job: Job) -> None:
        super().__init__(why_failed(job))
        self.job = job


class Jobs:
    """The learn jobs of a coordinator.

    Args:
        coordinator: who keeps them.
    """

    def __init__(self, coordinator: CoordinatorClient) -> None:
        self._coordinator = coordinator

    def get(self, job_id: str) -> Job:
        """Show a job.

        Raises:
            NotFound: there is none of this id.
        """
        return self._coordinator.job(job_id)

    def list(self, *states: JobState | str) -> Iterator[Job]:
        """Go through the jobs, newest first; only those in ``states`` when any are given."""
        return self._coordinator.jobs(states=[JobState(state) for state in states])

    def watch(self, job_id: str) -> Iterator[LearnProgress]:
        """Follow a job's progress from its beginning, as it happens, until the job is over.

        Of a long stretch the first, the last and the extreme points are told; ``progress`` has
        the others. Ends quietly when the job succeeds, is stopped or is cancelled.

        Raises:
            JobFailed: the job has failed.
            Unreachable: nobody has answered for about a minute.
        """
        for event in self.events(job_id):
            if event.type == "progress":
                yield from points(event)
        job = self.get(job_id)
        if job.state is JobState.FAILED:
            raise JobFailed(job)

    def events(self, job_id: str, *, after: int = 0) -> Iterator[JobEvent]:
        """Give the job's events as they happen, until it is over; none is missed or told twice.

        Args:
            job_id: the job.
            after: the number of the last event already known.
        """
        return self._coordinator.follow(job_id, after=after)

    def follow(self, *job_ids: str) -> Iterator[JobEvent]:
        """Give the events of several jobs as they happen, on one connection, until all are over.

        Without a job those of all jobs come, from now on and for ever. None is missed or told
        twice, however often the connection breaks.

        Raises:
            NotFound: there is no such job.
            Unreachable: nobody has answered for about a minute.
        """
        followed = self._coordinator
        return followed.follow_many(job_ids) if job_ids else followed.follow_all()

    def progress(
        self,
        job_id: str,
        *,
        max_points: int | None = None,
        first: int | None = None,
        last: int | None = None,
    ) -> ProgressSeries:
        """Read the progress as columns, downsampled with every extreme kept.

        Args:
            job_id: the job.
            max_points: how many points there may be; 1,000 when not given.
            first: the first iteration wanted.
            last: the last iteration wanted.
        """
        return self._coordinator.progress(job_id, max_points=max_points, first=first, last=last)

    def all_progress(self, job_id: str) -> Iterator[LearnProgress]:
        """Go through every LearnProgress of a job, none left out, as they were when it began.

        Raises:
            Unreachable: the stream broke off: what was given is not all.
        """
        return self._coordinator.all_progress(job_id)

    def export(self, job_id: str, kind: str) -> Iterator[bytes]:
        """Give every LearnProgress as the bytes of a file, part after part.

        Args:
            job_id: the job.
            kind: ``ndjson``, a JSON object a line, or ``arrow``, Apache Arrow's stream format.

        Raises:
            Unreachable: the stream broke off: what was given is not all.
        """
        return self._coordinator.export(job_id, kind)

    def quality(self, job_id: str) -> Sequence[QualityNote]:
        """List the versions of a job that were evaluated, in the order they were."""
        return self._coordinator.quality(job_id)

    def stop(self, job_id: str) -> Job:
        """End a job after the iteration in hand, and keep what it has learnt.

        Raises:
            InvalidState: the job's state does not allow it, here as in the methods below.
        """
        return self._coordinator.steer(job_id, JobAction.STOP)

    def pause(self, job_id: str) -> Job:
        """Take a job from its learner, with a snapshot to go on from."""
        return self._coordinator.steer(job_id, JobAction.PAUSE)

    def resume(self, job_id: str) -> Job:
        """Let a paused job go on exactly where it was."""
        return self._coordinator.steer(job_id, JobAction.RESUME)

    def cancel(self, job_id: str) -> Job:
        """End a job at once; what came after its last snapshot is lost."""
        return self._coordinator.steer(job_id, JobAction.CANCEL)

    def retry(self, job_id: str) -> Job:
        """Put a job that is over back into the queue; it goes on from its last snapshot."""
        return self._coordinator.steer(job_id, JobAction.RETRY)

    def edit(self, job_id: str, **changes: Any) -> Job:
        """Change a job that is there.

        Args:
            job_id: the job.
            changes: ``name``, ``priority``, ``max_iterations``, ``target_filter``; None takes it
                away.

        Raises:
            InvalidState: a learner works on the job, and would not hear of the change.
        """
        return self._coordinator.edit(job_id, JobPatch(**changes))

    def delete(self, job_id: str) -> None:
        """Remove a job that is over, with its progress; its weights are kept.

        Raises:
            InvalidState: the job is not over.
        """
        self._coordinator.delete(job_id)


def points(event: JobEvent) -> Iterator[LearnProgress]:
    """Read a progress event as one LearnProgress for each of its points."""
    told = ProgressSeries.model_validate(event.data)
    for at, iteration in enumerate(told.iterations):
        extra = {name: column[at] for name, column in told.series.items()}
        loss = extra.pop(LOSS, None)
        yield LearnProgress(iteration=iteration, minibatch_loss=loss, extra=extra)


def why_failed(job: Job) -> str:
    """Say in one sentence why a job failed."""
    if job.error is None:
        return f"{job.id} failed: {job.reason or 'nobody said why'}"
    return f"{job.id} failed: {job.error.detail}"
