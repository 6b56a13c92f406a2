"""The trainer: a process that only trains; started by the agent, ends with it."""

import os
import signal
import threading
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from ganforge.errors import BadInput, Diverged, GanforgeError
from ganforge_learner import dataset_plugins, registry
from ganforge_learner.messages import (
    Begin,
    Failed,
    Finished,
    FromAgent,
    FromTrainer,
    Halt,
    Hold,
    Ready,
    SnapshotPushed,
)
from ganforge_learner.training import Training

SNAPSHOTS_IN_FLIGHT = 2


class Controls:
    """What the agent wants, heard by a thread beside the training loop."""

    def __init__(self, pipe: "Connection[FromTrainer, FromAgent]") -> None:
        self._pipe = pipe
        self._begin: list[Begin] = []
        self._changed = threading.Condition()
        self._waiting = False
        self._in_flight = 0
        self.halted = False
        threading.Thread(target=self._listen, name="controls", daemon=True).start()

    def next_job(self) -> Begin:
        """Wait for a job."""
        with self._changed:
            self._changed.wait_for(lambda: self._begin)
            return self._begin.pop()

    def wait_while_held(self) -> None:
        """Wait while the lease is in doubt."""
        if self._waiting:
            with self._changed:
                self._changed.wait_for(lambda: not self._waiting or self.halted)

    def wait_for_room(self) -> None:
        """Wait while too many snapshots are on their way, and count one more."""
        with self._changed:
            self._changed.wait_for(lambda: self._in_flight < SNAPSHOTS_IN_FLIGHT)
            self._in_flight += 1

    def _listen(self) -> None:
        while True:
            try:
                message = self._pipe.recv()
            except (EOFError, OSError):
                # The agent is gone, so nothing that is computed here could be used.
                os._exit(1)
            with self._changed:
                self._hear(message)
                self._changed.notify_all()

    def _hear(self, message: FromAgent) -> None:
        match message:
            case Begin():
                self.halted, self._waiting, self._in_flight = False, False, 0
                self._begin.append(message)
            case Halt():
                self.halted = True
            case Hold():
                self._waiting = message.waiting
            case SnapshotPushed():
                self._in_flight -= 1


def main(
    pipe: "Connection[FromTrainer, FromAgent]",
    device: str,
    threads: int,
    data: Path,
    dataset_bytes: int | None,
) -> None:
    """Train the jobs the agent sends, one after the other; the process's entry."""
    # Ctrl-C reaches the whole foreground group; the agent decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    try:
        chosen = choose_device(device)
    except BadInput as error:
        pipe.send(Failed(error.slug, error.detail, None, permanent=True))
        return
    warm_up(chosen)
    strategies = [strategy.info(name) for name, strategy in registry.strategies().items()]
    infos = dataset_plugins.infos(data)
    pipe.send(Ready(describe(chosen), strategies, infos, labels_of(chosen)))
    controls = Controls(pipe)
    while True:
        job = controls.next_job()
        pipe.send(train(job, chosen, data, controls, pipe.send, dataset_bytes=dataset_bytes))


def train(
    job: Begin,
    device: torch.device,
    data: Path,
    controls: Controls,
    tell: Callable[[FromTrainer], None],
    *,
    dataset_bytes: int | None = None,
) -> Finished | Failed:
    """Train one job; every error becomes a message."""
    training: Training | None = None
    try:
        training = Training(job, device=device, data=data, tell=tell, dataset_bytes=dataset_bytes)
        return training.run(controls)
    except GanforgeError as error:
        permanent = isinstance(error, BadInput | Diverged)
        where = error.members.get("iteration")
        return Failed(error.slug, error.detail, where, permanent)
    except Exception as error:  # a strategy is anybody's code; whatever it raises is told
        iteration = None if training is None else training.iteration
        detail = f"{type(error).__name__}: {error}"
        return Failed("strategy-failed", detail, iteration, False, traceback.format_exc())


def choose_device(name: str) -> torch.device:
    """Give the device called ``name``; ``auto`` is CUDA when there is one.

    Raises:
        BadInput: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadInput(f"there is no device {name!r} here: try --device auto") from error
    return device


def describe(device: torch.device) -> str:
    """Name a device for people."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)


def labels_of(device: torch.device) -> dict[str, str]:
    """Tell of a device in labels, which jobs choose learners by."""
    if device.type != "cuda":
        return {"gpu.count": "0"}
    memory_mib = torch.cuda.get_device_properties(device).total_memory >> 20
    found = {
        "gpu.count": "1",
        "gpu.name": torch.cuda.get_device_name(device),
        "gpu.memory_mib": str(memory_mib),
    }
    return found | ({} if torch.version.cuda is None else {"cuda": torch.version.cuda})


def warm_up(device: torch.device) -> None:
    """Pay for lazy initialisation now, so that the first iteration need not."""
    layer = torch.nn.Linear(8, 8, device=device)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.zeros(4, 8, device=device)).sum().backward()
    optimizer.step()
