"""One attempt at a job, on the agent's side: lease kept, progress and snapshots sent."""

import logging
import shutil
import threading
from pathlib import Path

from ganforge import digest
from ganforge.coordinator import CoordinatorClient
from ganforge.errors import BadInput, Conflict, Diverged, GanforgeError, NotFound, TooLarge
from ganforge.networks import NetworkDefinition
from ganforge.repository import RepositoryClient
from ganforge.wire.averages import average_of
from ganforge.wire.jobs import JobError
from ganforge.wire.learning import (
    Assignment,
    CollapseNote,
    Command,
    Completion,
    Outcome,
    ProgressPush,
    SnapshotNote,
)
from ganforge.wire.quality import Quality, QualityReport
from ganforge.wire.weights import PNG, SAFETENSORS, NetworkBlobs, Snapshot, SnapshotCommit
from ganforge_learner import machine
from ganforge_learner.lease_keeper import LeaseKeeper
from ganforge_learner.messages import (
    Begin,
    Collapsed,
    Failed,
    Finished,
    FromTrainer,
    Halt,
    Hold,
    Points,
    Reached,
    SnapshotPushed,
    SnapshotTaken,
    Started,
)
from ganforge_learner.outbox import Outbox, Over, persist
from ganforge_learner.pushes import Pushes
from ganforge_learner.quality.assessor import Assessor
from ganforge_learner.quality.evaluation_run import note_of
from ganforge_learner.quality.evaluations import Candidate, Evaluations
from ganforge_learner.trainer_process import TrainerDied, TrainerProcess

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25


class AttemptRun:
    """Works on one assignment until the job is done, given back, or lost.

    A snapshot is committed only after the progress up to it was kept, so whatever dies when,
    no point before the last snapshot is ever missing.

    Args:
        assignment: the lease on the job.
        coordinator: told of progress.
        repository: given the snapshots.
        trainer: the process that trains; ready.
        assessor: evaluates versions, when the job asks for it.
        scratch: a folder for files on their way; emptied in the end.
        heartbeat_seconds: the rhythm the coordinator asked for.
    """

    def __init__(
        self,
        assignment: Assignment,
        *,
        coordinator: CoordinatorClient,
        repository: RepositoryClient,
        trainer: TrainerProcess,
        assessor: Assessor,
        scratch: Path,
        heartbeat_seconds: float,
    ) -> None:
        self._assignment = assignment
        self._coordinator = coordinator
        self._repository = repository
        self._trainer = trainer
        self._assessor = assessor
        self._scratch = scratch
        self._over = threading.Event()  # nothing more is trained or sent
        self._lost = threading.Event()  # nor completed: the lease is gone
        self._trained = threading.Event()  # the trainer has ended, well or not
        self._completing = threading.Event()
        self._halted_by: Command | None = None
        self._pushes = 0
        self._told = 0  # the last ticket of the progress outbox
        self._refused: GanforgeError | None = None
        self._keeper = LeaseKeeper(
            coordinator,
            assignment,
            heartbeat_seconds=heartbeat_seconds,
            over=self._over,
            is_waiting=self._is_waiting,
            on_command=self._obey,
            on_doubt=lambda in_doubt: trainer.tell(Hold(waiting=in_doubt)),
            on_lost=self._lose,
        )
        self._sent = Pushes(coordinator, assignment.attempt_id)
        self._progress = Outbox("progress", self._over, self._lose)
        self._snapshots = Outbox("snapshots", self._over, self._lose)
        self._evaluations: Evaluations | None = None

    def run(self) -> bool:
        """Work; tells whether the trainer may train another job."""
        logger.info("working on a job", extra=self._facts())
        self._keeper.start()
        try:
            completion = self._work()
            self._complete(completion)
            return completion.outcome is not Outcome.FAILED or _diverged(completion)
        except (Over, Conflict):
            logger.warning("the lease was lost, dropping the attempt", extra=self._facts())
            return False
        finally:
            self._over.set()
            if self._evaluations is not None:
                self._evaluations.close()
            shutil.rmtree(self._scratch, ignore_errors=True)

    def drain(self) -> None:
        """Give the job back after the iteration in hand, with a snapshot."""
        self._halt(Command.PAUSE)

    def _work(self) -> Completion:
        """Train and send, until the job ends or a server refuses what it brings."""
        try:
            self._begin()
            completion = self._until_it_ends()
            self._trained.set()
            self._progress.wait()
            self._snapshots.wait()
            if self._evaluations is not None and completion.outcome is Outcome.SUCCEEDED:
                self._evaluations.wait()
            return completion
        except (Over, Conflict):
            if self._refused is None:
                raise
            return self._failure(self._refused)
        except GanforgeError as error:
            return self._failure(error)
        except OSError as error:
            told, iteration = machine.failure(error), self._keeper.iteration
            return Completion(outcome=Outcome.FAILED, iteration=iteration, error=told)

    def _begin(self) -> None:
        """Fence all older attempts, then read what to go on from; in this order."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        job = self._assignment
        opened = persist(
            lambda: self._repository.open_epoch(job.job_id, job.epoch, tag=job.tag), self._over
        )
        if opened.snapshot is not None:
            weights, state = self._fetch_snapshot(opened.snapshot)
        else:
            weights, state = self._fetch_initial(), None
        definitions = [self._definition(name) for name in job.networks]
        self._trainer.tell(
            Begin(
                job_id=job.job_id,
                definitions=definitions,
                dataset=job.dataset,
                config=job.config,
                scratch=self._scratch,
                weights=weights,
                state=state,
                retries=job.retries,
            )
        )
        if self._halted_by is not None:
            # A trainer forgets what it was told before a job began.
            self._trainer.tell(Halt())
        if opened.snapshot is not None:
            self._note(opened.snapshot)

    def _definition(self, name: str) -> NetworkDefinition:
        found = persist(lambda: self._repository.network(name), self._over)
        return NetworkDefinition.model_validate(found.definition)

    def _fetch_snapshot(self, snapshot: Snapshot) -> tuple[dict[str, Path], Path | None]:
        files = {name: self._fetch(told.weights) for name, told in snapshot.networks.items()}
        return files, None if snapshot.state is None else self._fetch(snapshot.state)

    def _fetch(self, name: str) -> Path:
        path = self._scratch / name.replace(":", "-")
        return persist(lambda: self._repository.get_blob(name, to=path), self._over)

    def _fetch_initial(self) -> dict[str, Path]:
        """Fetch the weights to start from: those of ``initTag``, or of the tag unless ``clean``.

        Moving averages come along where the tag has them; else they begin as copies.
        """
        config = self._assignment.config
        tag = config.get("initTag")
        if tag is None:
            if config.get("clean"):
                return {}
            tag = self._assignment.tag
        files = {}
        for name in self._assignment.networks:
            path = self._pull(name, tag)
            if path is None:
                if config.get("initTag") is not None:
                    raise BadInput(f"initTag: {name} has no weights under {tag!r}")
                return {}
            files[name] = path
        if config.get("ema") is not None:
            averages = [average_of(name) for name in files]
            files |= {name: path for name in averages if (path := self._pull(name, tag))}
        return files

    def _pull(self, name: str, tag: str) -> Path | None:
        """Fetch the latest weights of a network under a tag; None when there are none."""
        path = self._scratch / f"initial-{name}.safetensors"
        try:
            return persist(lambda: self._repository.pull(name, tag, to=path), self._over)
        except NotFound:
            return None

    def _is_waiting(self) -> bool:
        """Tell whether the trainer may well stand still: its work is still on the way."""
        return self._trained.is_set() or not (self._progress.is_empty and self._snapshots.is_empty)

    def _until_it_ends(self) -> Completion:
        """Pass on what the trainer says until it has said how it ended."""
        while not self._over.is_set():
            try:
                message = self._trainer.hear(POLL_SECONDS)
            except TrainerDied as error:
                told = JobError(slug=error.slug, detail=error.detail)
                iteration = self._keeper.iteration
                return Completion(outcome=Outcome.FAILED, iteration=iteration, error=told)
            if message is not None and (completion := self._hear(message)) is not None:
                return completion
        raise Over

    def _hear(self, message: FromTrainer) -> Completion | None:
        match message:
            case Started():
                self._keeper.tell_started(message.iteration)
            case Points():
                self._send_points(message)
            case Reached():
                self._keeper.iteration = message.iteration
            case SnapshotTaken():
                self._send_snapshot(message)
            case Collapsed():
                self._warn_of_collapse(message)
            case Finished():
                return self._finished(message)
            case Failed():
                return _failed(message)
        return None

    def _send_points(self, points: Points) -> None:
        push = ProgressPush(
            rank=self._assignment.rank,
            seq=self._pushes,
            first=points.first,
            step=points.step,
            series=points.series,
            iterations_per_second=points.iterations_per_second,
        )
        self._told = self._progress.put(lambda: self._sent.send(push))
        self._pushes += 1
        self._keeper.iteration = points.first + points.step * (push.count - 1) + 1

    def _warn_of_collapse(self, collapsed: Collapsed) -> None:
        logger.warning(
            "the generator has collapsed: stop the job, and try a smaller learningRate, another "
            "strategy or another seed",
            extra={**self._facts(), "iteration": collapsed.iteration, "why": collapsed.detail},
        )
        note = CollapseNote(
            rank=self._assignment.rank, iteration=collapsed.iteration, detail=collapsed.detail
        )
        attempt_id = self._assignment.attempt_id
        self._told = self._progress.put(lambda: self._coordinator.note_collapse(attempt_id, note))

    def _send_snapshot(self, taken: SnapshotTaken) -> None:
        told_before = self._told

        def send() -> None:
            self._progress.wait(told_before)
            self._commit(taken)

        self._snapshots.put(send)

    def _commit(self, taken: SnapshotTaken) -> None:
        """Bring the bytes, commit them as one, note it at the coordinator; all repeatable."""
        job = self._assignment
        networks = {
            name: NetworkBlobs(
                weights=self._put(weights, SAFETENSORS),
                samples=self._put(taken.samples[name], PNG) if name in taken.samples else None,
            )
            for name, weights in taken.weights.items()
        }
        commit = SnapshotCommit(
            epoch=job.epoch,
            iteration=taken.iteration,
            tag=job.tag,
            networks=networks,
            state=self._put(taken.state, SAFETENSORS),
            losses=taken.losses,
            config=job.config,
        )
        snapshot = self._repository.commit_snapshot(job.job_id, commit)
        self._note(snapshot)
        self._evaluate(taken, snapshot)
        for path in (*taken.weights.values(), *taken.samples.values(), taken.state):
            path.unlink(missing_ok=True)
        self._trainer.tell(SnapshotPushed())

    def _evaluate(self, taken: SnapshotTaken, snapshot: Snapshot) -> None:
        """Have the generator evaluated when it is due: its moving average where it has one."""
        interval = self._assignment.config.get("evalInterval")
        if interval is None or taken.iteration == 0 or taken.iteration % int(interval):
            return
        drawing = [name for name in self._assignment.networks if name in taken.samples]
        for network in drawing:
            average = average_of(network)
            name = average if average in taken.samples else network
            if self._evaluations is None:
                self._evaluations = Evaluations(
                    self._assessor,
                    self._assignment.dataset,
                    folder=self._scratch,
                    over=self._over,
                    keep=self._keep_quality,
                )
            version = snapshot.networks[name].version
            definition = self._definition(name)
            self._evaluations.offer(taken.iteration, definition, version, taken.weights[name])

    def _keep_quality(self, candidate: Candidate, quality: Quality) -> None:
        """Keep a version's quality with it, let it be the best when it is, and tell of it."""
        job = self._assignment
        place = (candidate.definition.name, job.tag, candidate.version)
        report = QualityReport(quality=quality, promote=True)
        reply = persist(lambda: self._repository.put_quality(*place, report), self._over)
        note = note_of(candidate.iteration, place, reply.is_best, quality, rank=job.rank)
        persist(lambda: self._coordinator.note_quality(job.attempt_id, note), self._over)

    def _put(self, path: Path, media_type: str) -> str:
        name = digest.of_file(path)
        self._repository.put_blob(name, path, media_type)
        return name

    def _note(self, snapshot: Snapshot) -> None:
        versions = {name: told.version for name, told in snapshot.networks.items()}
        note = SnapshotNote(
            rank=self._assignment.rank, iteration=snapshot.iteration, versions=versions
        )
        attempt_id = self._assignment.attempt_id
        persist(lambda: self._coordinator.note_snapshot(attempt_id, note), self._over)

    def _finished(self, finished: Finished) -> Completion:
        is_over = finished.reached_target or finished.ending is not None
        given_back = not is_over and self._halted_by is not Command.STOP
        outcome = Outcome.RELEASED if given_back else Outcome.SUCCEEDED
        return Completion(outcome=outcome, iteration=finished.iteration, ending=finished.ending)

    def _complete(self, completion: Completion) -> None:
        attempt_id = self._assignment.attempt_id
        self._completing.set()
        persist(lambda: self._coordinator.complete(attempt_id, completion), self._lost)
        logger.info("done with a job", extra={**self._facts(), "outcome": completion.outcome})

    def _failure(self, error: GanforgeError) -> Completion:
        """Fail the job for good: it would be refused again."""
        told = JobError(slug=error.slug, detail=error.detail)
        iteration = self._keeper.iteration
        return Completion(outcome=Outcome.FAILED, iteration=iteration, error=told, permanent=True)

    def _obey(self, command: Command) -> None:
        if command in (Command.STOP, Command.PAUSE):
            self._halt(command)

    def _halt(self, command: Command) -> None:
        self._halted_by = command
        self._trainer.tell(Halt())
        logger.info("told the trainer to end", extra={**self._facts(), "command": command})

    def _lose(self, error: GanforgeError) -> None:
        """End the attempt: the lease is gone, or a server refuses what the job brings."""
        if self._completing.is_set():
            return  # a heartbeat may well find the lease ended that is being completed
        logger.warning("a server said no", extra={**self._facts(), "why": error.detail})
        if isinstance(error, BadInput | TooLarge):
            self._refused = error
        else:
            self._lost.set()
        self._over.set()

    def _facts(self) -> dict[str, object]:
        return {"job_id": self._assignment.job_id, "epoch": self._assignment.epoch}


def _diverged(completion: Completion) -> bool:
    """Whether a loss was not finite: the trainer is as good as before."""
    return completion.error is not None and completion.error.slug == Diverged.slug


def _failed(failed: Failed) -> Completion:
    if failed.traceback:
        logger.error("the trainer failed", extra={"traceback": failed.traceback})
    return Completion(
        outcome=Outcome.FAILED,
        iteration=failed.iteration or 0,
        error=JobError(slug=failed.slug, detail=failed.detail, iteration=failed.iteration),
        permanent=failed.permanent,
    )
