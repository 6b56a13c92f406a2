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
from ganforge.errors import BadInput
from ganforge.repository import RepositoryClient
from ganforge.wire.learning import Claim, Registered, Registration
from ganforge_learner import datasets, registry
from ganforge_learner.attempt import AttemptRun
from ganforge_learner.messages import Failed, Ready
from ganforge_learner.outbox import Over, persist
from ganforge_learner.settings import LearnerSettings
from ganforge_learner.trainer_process import TrainerDied, TrainerProcess

logger = logging.getLogger(__name__)

CLAIM_WAIT_SECONDS = 25.0
TRAINER_PATIENCE_SECONDS = 120.0
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
        self._attempt: AttemptRun | None = None

    def run(self) -> None:
        """Work until ``stop``; on SIGTERM and Ctrl-C give the job in hand back and end.

        Raises:
            GanforgeError: the coordinator refuses this learner: a wrong token, a name in use.
        """
        scratch = self._settings.data / "learner" / self._settings.name
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            self._trainer, device = self._warm_trainer()
            registered = self._register(device)
            last_look = time.monotonic()
            logger.info("ready for jobs", extra={"learner": self._settings.name, "device": device})
            while not self._stopping.is_set():
                if time.monotonic() - last_look > REFRESH_SECONDS:
                    registered, last_look = self._register(device), time.monotonic()
                self._work_once(registered)
        except Over:
            pass
        finally:
            if self._trainer is not None:
                self._trainer.kill()

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
        if self._trainer is None or not self._trainer.is_alive:
            self._trainer, _ = self._warm_trainer()
        claim = Claim(claim_key=uuid.uuid4().hex)
        wait = 1.0 if self._stopping.is_set() else CLAIM_WAIT_SECONDS
        assignment = persist(
            lambda: self._coordinator.claim(registered.id, claim, wait_seconds=wait),
            self._stopping,
        )
        if assignment is None:
            return
        self._attempt = AttemptRun(
            assignment,
            coordinator=self._coordinator,
            repository=self._repository,
            trainer=self._trainer,
            scratch=self._settings.data / "learner" / self._settings.name / assignment.attempt_id,
            heartbeat_seconds=registered.heartbeat_seconds,
        )
        if self._stopping.is_set():
            self._attempt.drain()
        reusable = self._attempt.run()
        self._attempt = None
        if not reusable:
            self._trainer.kill()
            self._trainer = None

    def _warm_trainer(self) -> tuple[TrainerProcess, str]:
        """Start a trainer and wait until it has imported everything and found its device."""
        settings = self._settings
        trainer = TrainerProcess(
            device=settings.device, threads=settings.threads, data=settings.data
        )
        ready = trainer.hear(TRAINER_PATIENCE_SECONDS)
        if isinstance(ready, Ready):
            return trainer, ready.device
        trainer.kill()
        if isinstance(ready, Failed):
            raise BadInput(ready.detail)
        raise TrainerDied("the trainer does not start: see its output above")

    def _register(self, device: str) -> Registered:
        registration = Registration(
            name=self._settings.name,
            boot_id=self._boot_id,
            device=device,
            version=ganforge.__version__,
            datasets=list(datasets.find_datasets(self._settings.data).values()),
            strategies=[strategy.info(name) for name, strategy in registry.strategies().items()],
        )
        return persist(lambda: self._coordinator.register(registration), self._stopping)
