"""One attempt at an evaluate job: a version fetched, evaluated, and its quality kept."""

import logging
import shutil
import threading
from pathlib import Path

from ganforge.coordinator import CoordinatorClient
from ganforge.errors import BadInput, Conflict, GanforgeError, NotFound
from ganforge.networks import NetworkDefinition
from ganforge.repository import RepositoryClient
from ganforge.wire.evaluation import STRATEGY, EvaluationConfig
from ganforge.wire.jobs import JobError
from ganforge.wire.learning import Assignment, Command, Completion, Outcome, ProgressPush
from ganforge.wire.quality import Figures, Quality, QualityNote, QualityReport
from ganforge.wire.weights import LATEST, Version
from ganforge_learner import machine
from ganforge_learner.lease_keeper import LeaseKeeper
from ganforge_learner.outbox import Over, persist
from ganforge_learner.quality.assessor import Assessor

logger = logging.getLogger(__name__)


class EvaluationRun:
    """Works on one evaluate job until it is done, given back, or lost; trains nothing.

    Args:
        assignment: the lease on the job.
        coordinator: told of the figures.
        repository: has the version, and keeps its quality.
        assessor: evaluates.
        scratch: a folder for the weights; emptied in the end.
        heartbeat_seconds: the rhythm the coordinator asked for.
    """

    def __init__(
        self,
        assignment: Assignment,
        *,
        coordinator: CoordinatorClient,
        repository: RepositoryClient,
        assessor: Assessor,
        scratch: Path,
        heartbeat_seconds: float,
    ) -> None:
        self._assignment = assignment
        self._coordinator = coordinator
        self._repository = repository
        self._assessor = assessor
        self._scratch = scratch
        self._over = threading.Event()  # nothing more is evaluated
        self._lost = threading.Event()  # nor told: the lease is gone
        self._ended = threading.Event()
        self._keeper = LeaseKeeper(
            coordinator,
            assignment,
            heartbeat_seconds=heartbeat_seconds,
            over=self._ended,
            on_command=self._obey,
            on_doubt=lambda in_doubt: None,  # an evaluation changes nothing that could clash
            on_lost=self._lose,
        )

    def run(self) -> bool:
        """Work; tells whether the trainer may train another job, which it always may."""
        facts = {"job_id": self._assignment.job_id, "epoch": self._assignment.epoch}
        logger.info("working on an evaluation", extra=facts)
        self._keeper.start()
        try:
            completion = self._work()
            attempt_id = self._assignment.attempt_id
            persist(lambda: self._coordinator.complete(attempt_id, completion), self._lost)
            logger.info("done with an evaluation", extra={**facts, "outcome": completion.outcome})
        except (Over, Conflict):
            logger.warning("the lease was lost, dropping the attempt", extra=facts)
        finally:
            self._over.set()
            self._ended.set()
            shutil.rmtree(self._scratch, ignore_errors=True)
        return True

    def drain(self) -> None:
        """Give the job back; another attempt evaluates from the beginning."""
        self._over.set()

    def _work(self) -> Completion:
        self._keeper.tell_started(0)
        try:
            self._evaluate()
        except Over:
            if self._lost.is_set():
                raise
            return Completion(outcome=Outcome.RELEASED, iteration=0)
        except Conflict:
            raise
        except GanforgeError as error:
            told = JobError(slug=error.slug, detail=error.detail)
            is_permanent = isinstance(error, BadInput)
            return Completion(
                outcome=Outcome.FAILED, iteration=0, error=told, permanent=is_permanent
            )
        except OSError as error:
            return Completion(outcome=Outcome.FAILED, iteration=0, error=machine.failure(error))
        return Completion(outcome=Outcome.SUCCEEDED, iteration=1)

    def _evaluate(self) -> None:
        self._scratch.mkdir(parents=True, exist_ok=True)
        job = self._assignment
        config = EvaluationConfig.model_validate(job.config)
        network = job.networks[0]
        version, weights = self._fetch(network, config)
        found = persist(lambda: self._repository.network(network), self._over)
        quality = self._assessor.assess(
            job.dataset,
            NetworkDefinition.model_validate(found.definition),
            weights,
            samples=config.samples,
            seed=config.seed,
            over=self._over,
        )
        self._tell(version, quality)

    def _fetch(self, network: str, config: EvaluationConfig) -> tuple[Version, Path]:
        """Fetch the weights of the version that is meant."""
        tag, wanted = config.tag, config.version or LATEST
        if tag is None:
            raise BadInput("tag: name the line whose version is to be evaluated")
        path = self._scratch / "generator.safetensors"
        try:
            version = persist(lambda: self._repository.version(network, tag, wanted), self._over)
            number = version.version
            persist(lambda: self._repository.pull(network, tag, number, to=path), self._over)
        except NotFound as error:
            raise BadInput(error.detail) from error
        return version, path

    def _tell(self, version: Version, quality: Quality) -> None:
        """Keep the figures: with the version, as the job's LearnProgress, and as its event."""
        attempt_id, rank = self._assignment.attempt_id, self._assignment.rank
        place = (version.network, version.tag, version.version)
        report = QualityReport(quality=quality)
        reply = persist(lambda: self._repository.put_quality(*place, report), self._over)
        series = {name: [value] for name, value in figures_of(quality).items()}
        push = ProgressPush(rank=rank, seq=0, first=0, series=series)
        persist(lambda: self._coordinator.push_progress(attempt_id, push), self._over)
        note = note_of(version.iteration or 0, place, reply.is_best, quality, rank=rank)
        persist(lambda: self._coordinator.note_quality(attempt_id, note), self._over)

    def _obey(self, command: Command) -> None:
        if command in (Command.STOP, Command.PAUSE):
            self.drain()

    def _lose(self, error: GanforgeError) -> None:
        logger.warning("a server said no", extra={"why": error.detail})
        self._lost.set()
        self._over.set()


def figures_of(quality: Quality) -> dict[str, float | None]:
    """Give the figures by their names on the wire; those of classes are left out with the classes.

    A job's series cannot be all null.
    """
    told = quality.model_dump(mode="json", by_alias=True, include=set(Figures.model_fields))
    return {name: float(value) for name, value in told.items() if value is not None}


def note_of(
    iteration: int, place: tuple[str, str, int], is_best: bool, quality: Quality, *, rank: int
) -> QualityNote:
    """Say for the coordinator which version has which quality."""
    network, tag, version = place
    return QualityNote(
        rank=rank,
        iteration=iteration,
        network=network,
        tag=tag,
        version=version,
        is_best=is_best,
        quality=quality,
    )


def is_evaluation(assignment: Assignment) -> bool:
    """Tell whether a job evaluates rather than learns."""
    return assignment.config.get("strategy") == STRATEGY
