"""How long a job waits for its first iteration, and what the service costs while it trains.

Starts ``ganforge up`` with one learner in a temporary folder and waits until the learner is warm.
Then it submits the seed's job again and again, each when the one before is over, and measures the
time from the POST to the first iteration known to a client that follows the job's events. Last,
in rounds, the same job trains for a while on the service and on GANLearningStrategy's bare loop in
this process, one after the other; the ratio is the service's share of the bare speed.

    python3 run.py bench start [--data DIR] [--jobs 10] [--rounds 3] [--seconds 6] [--json]

DIR holds MNIST's IDX files; without it the images are noise of the same size.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganforge import Client
from ganforge.networks import BUILTIN
from ganforge_learner import streams
from ganforge_learner.datasets import load_dataset
from ganforge_learner.networks import build_network, initialise
from ganforge_learner.strategies import GANLearningStrategy

SEED_JOB: dict[str, Any] = {
    "generatorDim": 10,
    "batchSize": 16,
    "method": "SGD",
    "learningRate": 0.001,
    "momentum": 0.9,
    "clean": True,
    "seed": 0,
}
PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.1


@contextmanager
def running(data: Path) -> Iterator[Client]:
    """Run ``ganforge up`` until the block ends; its learner is warm and idle."""
    command = [sys.executable, "-m", "ganforge", "up", "--port", "0", "--json", "--data", str(data)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = json.loads(process.stdout.readline())["url"]
            with Client(url, token=(data / "token").read_text().strip()) as client:
                wait_for_learner(client)
                yield client
        finally:
            process.terminate()


def wait_for_learner(client: Client) -> None:
    """Wait until a learner has registered: it has imported everything by then."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not client.learners():
        if time.monotonic() > deadline:
            raise SystemExit("the learner does not come: see its log")
        time.sleep(LOOK_SECONDS)


def time_to_first_iteration(client: Client) -> float:
    """Give the seconds from the POST of a job to its first iteration; the job is short."""
    began = time.perf_counter()
    job = client.learn(["Generator", "Discriminator"], "MNIST", maxIterations=200, **SEED_JOB)
    watched = client.jobs.watch(job.id)
    next(watched)
    seconds = time.perf_counter() - began
    for _ in watched:
        pass
    return seconds


def served_rate(client: Client, seconds: float) -> float:
    """Give the iterations per second of a job on the service, between two looks at it."""
    job = client.learn(["Generator", "Discriminator"], "MNIST", **SEED_JOB)
    began, first = 0.0, 0
    for progress in client.jobs.watch(job.id):
        now = time.perf_counter()
        if not began:
            began, first = now, progress.iteration
        elif now - began > seconds:
            # What one event brings arrives at once, so this is its first point, as it was then.
            client.jobs.stop(job.id)
            return (progress.iteration - first) / (now - began)
    raise SystemExit("the job ended before it was measured")


def bare_rate(data: Path, seconds: float) -> float:
    """Give the iterations per second of the same job in a loop of this process."""
    drawn = streams.stream(SEED_JOB["seed"], "initialisation")
    networks = []
    for definition in BUILTIN[:2]:
        network = build_network(definition)
        initialise(network, definition, drawn)
        networks.append(network)
    strategy = GANLearningStrategy()
    strategy.setup(SEED_JOB, load_dataset("MNIST", data), *networks)
    for i in range(50):
        strategy.process_iteration(i)
    began, i = time.perf_counter(), 50
    while time.perf_counter() - began < seconds:
        strategy.process_iteration(i)
        i += 1
    return (i - 50) / (time.perf_counter() - began)


def put_dataset(data: Path, source: Path | None) -> None:
    """Put MNIST, or noise of its size, into the data folder."""
    folder = data / "datasets" / "MNIST"
    folder.parent.mkdir(parents=True)
    if source is not None:
        folder.symlink_to(source.resolve())
        return
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (10_000, 28, 28), np.uint8)
    for name, array in (("images-idx3", noise), ("labels-idx1", noise[:, 0, 0] % 10)):
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        content = bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()
        (folder / f"train-{name}-ubyte").write_bytes(content)


def measure(asked: argparse.Namespace, data: Path) -> dict[str, list[float]]:
    """Measure starts, then rates in rounds."""
    found: dict[str, list[float]] = {"start_seconds": [], "served": [], "bare": [], "share": []}
    with running(data) as client:
        for _ in range(asked.jobs):
            found["start_seconds"].append(time_to_first_iteration(client))
        for _ in range(asked.rounds):
            found["served"].append(served_rate(client, asked.seconds))
            for job in client.jobs.list():
                for _ in client.jobs.watch(job.id):  # until the learner is idle again
                    pass
                break
            found["bare"].append(bare_rate(data, asked.seconds))
            found["share"].append(found["served"][-1] / found["bare"][-1])
    return found


UNITS = {"start_seconds": "s", "served": "it/s", "bare": "it/s", "share": "x"}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder with MNIST's IDX files")
    parser.add_argument("--jobs", type=int, default=10, help="how many starts")
    parser.add_argument("--rounds", type=int, default=3, help="how often the rates")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each rate")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="ganforge-bench-") as folder:
        put_dataset(Path(folder), asked.data)
        found = measure(asked, Path(folder))
    if asked.json:
        print(json.dumps(found))
        return
    for name, row in found.items():
        spread = f"({min(row):.3f} to {max(row):.3f}, {len(row)} measured)"
        print(f"{name:>14}: {statistics.median(row):8.3f} {UNITS[name]:4} {spread}")


if __name__ == "__main__":
    main()
