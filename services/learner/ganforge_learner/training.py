"""The training loop: iterate, tell progress, take snapshots; knows no network and no loss."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch

from ganforge.errors import BadInput, Diverged
from ganforge.networks import find_places
from ganforge.wire.averages import average_of
from ganforge.wire.learning import EarlyEnd
from ganforge_learner import registry, samples, snapshot_files, streams
from ganforge_learner.collapse_alarm import FAKES, LOOK_INTERVAL, CollapseAlarm
from ganforge_learner.datasets import load_dataset
from ganforge_learner.messages import (
    Begin,
    Collapsed,
    Finished,
    FromTrainer,
    Reached,
    SnapshotTaken,
    Started,
)
from ganforge_learner.networks import build_network, initialise
from ganforge_learner.plateau import Plateau
from ganforge_learner.points import LOSS, PointBuffer

TELL_SECONDS = 1.0
TELL_OFTEN_SECONDS = 0.2
"""How often progress is told: often in the first seconds, when somebody surely watches."""
SAMPLES = 64


class Steering(Protocol):
    """What the loop asks before it goes on."""

    halted: bool

    def wait_while_held(self) -> None:
        """Wait while the lease is in doubt."""

    def wait_for_room(self) -> None:
        """Wait while too many snapshots are on their way."""


class Training:
    """One job in training.

    Args:
        job: what to train, and from where.
        device: where the networks and the dataset go.
        data: the data folder.
        tell: takes what the agent is to know.
        dataset_bytes: what the dataset may take of the device's memory.

    Raises:
        BadInput: the job cannot be trained; the words say why.
    """

    def __init__(
        self,
        job: Begin,
        *,
        device: torch.device,
        data: Path,
        tell: Callable[[FromTrainer], None],
        dataset_bytes: int | None = None,
    ) -> None:
        self._job = job
        self._tell = tell
        self.iteration = 0
        seed = int(job.config["seed"])
        dataset = load_dataset(job.dataset, data, device=device, most_bytes=dataset_bytes)
        names = [definition.name for definition in job.definitions]
        modules = [build_network(definition) for definition in job.definitions]
        generator = streams.stream(seed, "initialisation")
        for network, definition in zip(modules, job.definitions, strict=True):
            initialise(network, definition, generator)
            network.to(device)
        self._networks = dict(zip(names, modules, strict=True))
        snapshot_files.load_weights(job.weights, self._networks)
        _freeze(job.config.get("fixed") or (), self._networks)
        self._strategy = registry.find_strategy(job.config["strategy"])()
        self._strategy.setup(job.config, dataset, *modules)
        self._averages = self._name_averages(names)
        snapshot_files.load_weights(job.weights, self._averages)
        self._latents = self._strategy.grid_latents(SAMPLES, seed)
        self._value_range = dataset.value_range
        self._retries = 0
        self._plateau = self._watch_loss(())
        self._alarm = CollapseAlarm(dataset)
        self._alarm_latents = self._strategy.grid_latents(FAKES, seed)
        self._is_collapsed = False
        self._ending: EarlyEnd | None = None
        if job.state is not None:
            self._go_on(snapshot_files.load_state(job.state))
        self._draw_anew()
        traced = job.config.get("trace", True)
        self._trace_interval = self._interval("traceInterval" if traced else "storeInterval")
        self._points = PointBuffer(self._trace_interval)
        self._meter = _Meter(self.iteration)

    def _watch_loss(self, seen: Sequence[float | None]) -> Plateau:
        config = self._job.config
        window = config.get("thresholdWindow", 10)
        return Plateau(config.get("minibatchLossThreshold"), window, seen)

    def _go_on(self, state: Mapping[str, Any]) -> None:
        """Go on from what ``_state`` gave."""
        self.iteration = int(state["iteration"])
        self._strategy.load_state_dict(state["strategy"])
        self._retries = int(state["retries"])
        self._plateau = self._watch_loss(state["losses"])
        self._alarm.load_state_dict(state["alarm"])
        self._is_collapsed = bool(state["collapsed"])

    def _state(self) -> dict[str, Any]:
        return {
            "iteration": self.iteration,
            "strategy": self._strategy.state_dict(),
            "retries": self._retries,
            "losses": self._plateau.seen,
            "alarm": self._alarm.state_dict(),
            "collapsed": self._is_collapsed,
        }

    def _draw_anew(self) -> None:
        """Draw from other streams when the job has gone back since the snapshot was taken.

        The snapshot knows of how many returns it has heard: a job that is killed after one goes
        on with the streams it had.
        """
        if self._job.retries > self._retries:
            self._retries = self._job.retries
            seed = streams.seed_of_retry(int(self._job.config["seed"]), self._retries)
            self._strategy.restart_streams(seed)

    def _name_averages(self, names: list[str]) -> dict[str, torch.nn.Module]:
        """Name the moving averages: they are stored as networks of their own."""
        averages = self._strategy.averages.items()
        named = {average_of(names[place]): average for place, average in averages}
        if taken := sorted(named.keys() & set(names)):
            raise BadInput(
                f"networks: {taken[0]} is the name of a moving average in this job: "
                "leave out ema, or give that network another name"
            )
        return named

    def _interval(self, key: str) -> int:
        return int(self._job.config[key])

    def run(self, steering: Steering) -> Finished:
        """Train until the target is reached, the job ends by itself or the steering says halt.

        Raises:
            Diverged: a loss or a weight is not finite.
        """
        self._tell(Started(self.iteration))
        if self._job.state is None:
            self._snapshot(steering)
        target = self._job.config.get("maxIterations")
        store_interval = self._interval("storeInterval")
        stored = self.iteration
        while not steering.halted and self._goes_on(target):
            self._points.add(self._strategy.process_iteration(self.iteration))
            self.iteration += 1
            if self._meter.is_due() or self._points.is_full or self._is_watched():
                self._tell_points()
                steering.wait_while_held()
            if self.iteration % LOOK_INTERVAL == 0:
                self._look_for_collapse()
            if self.iteration % store_interval == 0 or self._is_to_be_evaluated():
                self._snapshot(steering)
                stored = self.iteration
        if stored != self.iteration:
            self._snapshot(steering)
        self._tell_points()
        return Finished(self.iteration, self.iteration == target, self._ending)

    def _goes_on(self, target: int | None) -> bool:
        return self._ending is None and (target is None or self.iteration < target)

    def _is_watched(self) -> bool:
        """Whether the point just gathered may end the job, and so cannot wait to be read."""
        return self._plateau.is_watched and (self.iteration - 1) % self._trace_interval == 0

    def _is_to_be_evaluated(self) -> bool:
        """Tell whether this iteration's generator is evaluated, for which it has to be stored."""
        interval = self._job.config.get("evalInterval")
        return interval is not None and self.iteration % int(interval) == 0

    def _tell_points(self) -> None:
        told = False
        for points in self._points.drain(self._meter.lap(self.iteration)):
            self._tell(points)
            told = True
            self._plateau.add(points.series[LOSS])
            if self._plateau.is_reached:
                self._ending = EarlyEnd.LEVELLED_OFF
        if not told:
            self._tell(Reached(self.iteration))

    def _look_for_collapse(self) -> None:
        """Have the alarm look at samples; tell once of each collapse."""
        detail = self._alarm.look(self._strategy.draw_samples(self._alarm_latents))
        if detail is not None and not self._is_collapsed:
            self._tell_points()
            self._tell(Collapsed(self.iteration, detail))
            if self._job.config.get("stopOnCollapse"):
                self._ending = EarlyEnd.COLLAPSED
        self._is_collapsed = detail is not None

    def _snapshot(self, steering: Steering) -> None:
        """Take a snapshot of good weights: the losses that led to them are read first."""
        if self.iteration:
            self._tell_points()
        self._refuse_broken_weights()
        steering.wait_for_room()
        folder = self._job.scratch
        self._tell(
            SnapshotTaken(
                iteration=self.iteration,
                weights=snapshot_files.save_weights(
                    folder, self.iteration, {**self._networks, **self._averages}
                ),
                samples=self._draw(folder),
                state=snapshot_files.save_state(folder, self.iteration, self._state()),
                losses=dict(self._points.latest),
            )
        )

    def _draw(self, folder: Path) -> dict[str, Path]:
        """Draw the grids of the network that makes samples and of its average; no others."""
        drawn = {}
        columns = samples.columns_for(self._strategy.grid_classes)
        for name, network in self._drawing().items():
            images = self._strategy.draw_samples(self._latents, network)
            drawn[name] = folder / f"{self.iteration}-{name}.png"
            drawn[name].write_bytes(samples.draw_grid(images, self._value_range, columns=columns))
        return drawn

    def _drawing(self) -> dict[str, torch.nn.Module]:
        """Give the networks that make samples."""
        generator = self._strategy.generator
        made = {name: network for name, network in self._networks.items() if network is generator}
        averages = {average_of(name) for name in made}
        return made | {name: self._averages[name] for name in averages & self._averages.keys()}

    def _refuse_broken_weights(self) -> None:
        for network_name, network in {**self._networks, **self._averages}.items():
            for name, tensor in network.state_dict().items():
                if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                    raise Diverged(
                        f"{network_name}'s {name} is not finite after iteration "
                        f"{self.iteration}: lower learningRate; the last good snapshot is kept",
                        iteration=self.iteration,
                    )


def _freeze(names: Sequence[str], networks: Mapping[str, torch.nn.Sequential]) -> None:
    """Keep networks and modules as they are.

    Raises:
        UnknownName: there is no such network or module.
    """
    sizes = {name: len(network) for name, network in networks.items()}
    for place in find_places(names, sizes, key="fixed"):
        network = networks[place.network]
        frozen = network if place.position is None else network[place.position]
        frozen.requires_grad_(False)


class _Meter:
    """Says when progress is due, and how fast the iterations were lately."""

    def __init__(self, iteration: int) -> None:
        self._began = self._lap = time.monotonic()
        self._told = -math.inf  # the first iteration is told at once
        self._iteration = iteration
        self._rate: float | None = None

    def is_due(self) -> bool:
        now = time.monotonic()
        often = now - self._began < 2.0
        return now - self._told >= (TELL_OFTEN_SECONDS if often else TELL_SECONDS)

    def lap(self, iteration: int) -> float | None:
        """Give iterations per second since the last lap that was long enough to measure."""
        self._told = now = time.monotonic()
        if now - self._lap >= TELL_OFTEN_SECONDS / 2:
            self._rate = (iteration - self._iteration) / (now - self._lap)
            self._lap, self._iteration = now, iteration
        return self._rate
