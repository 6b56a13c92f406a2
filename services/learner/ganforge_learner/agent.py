"""The agent: leases jobs and has them trained, one after the other, until told to end."""

import logging
import shutil
import signal
import threading
import time
import uuid
from types import FrameType

import ganforge
from ganforge._transport import Transport
from ganforge.coordinator import CoordinatorClient
from ganforge.errors import BadInput, NotFound
from ganforge.repository import RepositoryClient
from ganforge.wire.datasets import BrokenDataset
from ganforge.wire.evaluation import EVALUATION
from ganforge.wire.learning import Assignment, Claim, Registered, Registration
from ganforge_learner import labels
from ganforge_learner.attempt import AttemptRun
from ganforge_learner.dataset_files import readable, survey
from ganforge_learner.messages import Failed, Ready
from ganforge_learner.outbox import Over, persist
from ganforge_learner.quality.assessor import Assessor
from ganforge_learner.quality.evaluation_run import EvaluationRun, is_evaluation
from ganforge_learner.settings import LearnerSettings
from ganforge_learner.trainer_process import TrainerDied, TrainerProcess

logger = logging.getLogger(__name__)

CLAIM_WAIT_SECONDS = 25.0
TRAINER_PATIENCE_SECONDS = 120.0
TRAINER_STARTS = 3
REFRESH_SECONDS = 30.0
"""How often an idle learner looks for new datasets and tells the coordinator."""


class Agent:
    """Leases jobs, keeps the leases alive and talks HTTP; the training is another process's.

    Args:
        settings: where the servers are, what to compute on.
    """

    def __init__(self, settings: LearnerSettings) -> None:
        self._settings = settings
        self._boot_id = uuid.uuid4().hex
        # The agent waits by itself, with an eye on its lease, so the transport need not.
        coordinator = Transport(settings.coordinator_url, settings.token, retries=0)
        repository = Transport(settings.repository_url, settings.token, retries=0)
        self._coordinator = CoordinatorClient(coordinator)
        self._repository = RepositoryClient(repository)
        self._stopping = threading.Event()
        self._trainer: TrainerProcess | None = None
        self._attempt: AttemptRun | EvaluationRun | None = None
        self._assessor = Assessor(
            self._repository,
            data=settings.data,
            folder=settings.data / "learner" / settings.name / "judges",
        )

    def run(self) -> None:
        """Work until ``stop``; on SIGTERM and Ctrl-C give the job in hand back and end.

        Raises:
            GanforgeError: the coordinator refuses this learner: a wrong token, a name in use.
        """
        logger.info("starting", extra={"coordinator": self._settings.coordinator_url})
        try:
            _, ready = self._warm_trainer()
            registered, registered_at = self._register(ready), time.monotonic()
            # Only now that the name is ours: another learner's files may have been there.
            scratch = self._settings.data / "learner" / self._settings.name
            shutil.rmtree(scratch, ignore_errors=True)
            facts = {"learner": self._settings.name, "device": ready.device}
            logger.info("ready for jobs", extra=facts)
            while not self._stopping.is_set():
                if time.monotonic() - registered_at > REFRESH_SECONDS:
                    registered, registered_at = self._register(ready), time.monotonic()
                try:
                    self._work_once(registered)
                except NotFound:  # the coordinator has another database now
                    registered = self._register(ready)
        except Over:
            pass
        finally:
            if self._trainer is not None:
                self._trainer.kill()
            self._assessor.close()

    def stop(self, signum: int = signal.SIGTERM, frame: FrameType | None = None) -> None:
        """End: at once when idle, else after the iteration in hand and its snapshot."""
        self._stopping.set()
        if (attempt := self._attempt) is not None:
            attempt.drain()
        elif frame is not None:
            # A signal, come on top of a claim that waits for a job: do not wait for its answer.
            # Were it a job just now, it would be claimed anew, since nobody acknowledges it.
            raise Over

    def _work_once(self, registered: Registered) -> None:
        """Claim a job and work on it; return when there was none, or it is over."""
        trainer = self._trainer
        if trainer is None or not trainer.is_alive:
            trainer, _ = self._warm_trainer()
        claim = Claim(claim_key=uuid.uuid4().hex)
        wait = 1.0 if self._stopping.is_set() else CLAIM_WAIT_SECONDS
        assignment = persist(
            lambda: self._coordinator.claim(registered.id, claim, wait_seconds=wait),
            self._stopping,
        )
        if assignment is None:
            return
        self._attempt = self._run_of(assignment, trainer, registered.heartbeat_seconds)
        if self._stopping.is_set():
            self._attempt.drain()
        reusable = self._attempt.run()
        self._attempt = None
        if not reusable:
            trainer.kill()
            self._trainer = None

    def _run_of(
        self, assignment: Assignment, trainer: TrainerProcess, heartbeat_seconds: float
    ) -> AttemptRun | EvaluationRun:
        scratch = self._settings.data / "learner" / self._settings.name / assignment.attempt_id
        if is_evaluation(assignment):
            return EvaluationRun(
                assignment,
                coordinator=self._coordinator,
                repository=self._repository,
                assessor=self._assessor,
                scratch=scratch,
                heartbeat_seconds=heartbeat_seconds,
            )
        return AttemptRun(
            assignment,
            coordinator=self._coordinator,
            repository=self._repository,
            trainer=trainer,
            assessor=self._assessor,
            scratch=scratch,
            heartbeat_seconds=heartbeat_seconds,
        )

    def _warm_trainer(self) -> tuple[TrainerProcess, Ready]:
        """Start a trainer and wait until it has imported everything and found its device.

        One that dies on the way, killed for memory say, is started again; not for ever, since
        one that cannot start at all would never be seen.

        Raises:
            BadInput: the device is not there.
            TrainerDied: several died one after the other.
        """
        for attempt in range(1, TRAINER_STARTS + 1):
            try:
                return self._start_trainer()
            except TrainerDied as error:
                logger.warning(
                    "a trainer did not start: see its output", extra={"attempt": attempt}
                )
                if attempt == TRAINER_STARTS or self._stopping.wait(attempt):
                    raise TrainerDied(f"no trainer starts here: {error.detail}") from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _start_trainer(self) -> tuple[TrainerProcess, Ready]:
        settings = self._settings
        self._trainer = trainer = TrainerProcess(
            device=settings.device,
            threads=settings.threads,
            data=settings.data,
            dataset_bytes=settings.dataset_bytes,
        )
        ready = trainer.hear(TRAINER_PATIENCE_SECONDS)
        if isinstance(ready, Failed):
            raise BadInput(ready.detail)
        if not isinstance(ready, Ready):
            trainer.kill()
            raise TrainerDied(f"the trainer was not ready after {TRAINER_PATIENCE_SECONDS:.0f} s")
        return trainer, ready

    def _register(self, ready: Ready) -> Registered:
        told = survey(self._settings.data)
        found = {info.name: info for info in ready.datasets} | readable(told)
        registration = Registration(
            name=self._settings.name,
            boot_id=self._boot_id,
            device=ready.device,
            labels=self._labels(ready),
            version=ganforge.__version__,
            datasets=list(found.values()),
            broken_datasets=[
                BrokenDataset(name=name, problem=error.detail[:2000])
                for name, error in told.items()
                if isinstance(error, BadInput) and name not in found
            ],
            strategies=[*ready.strategies, EVALUATION],
        )
        return persist(lambda: self._coordinator.register(registration), self._stopping)

    def _labels(self, ready: Ready) -> dict[str, str]:
        """Tell of the machine, the device, and what the operator says; the last one wins."""
        told = labels.parse(self._settings.labels)
        return {**labels.of_machine(self._settings.coordinator_url), **ready.labels, **told}
