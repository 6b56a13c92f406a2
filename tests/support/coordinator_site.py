"""A coordinator and a repository on real sockets, and a learner's work played to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from ganforge import digest
from ganforge._transport import Transport
from ganforge.repository import RepositoryClient
from ganforge.wire.learning import ProgressPush, SnapshotNote
from ganforge.wire.weights import PNG, SAFETENSORS, NetworkBlobs, SnapshotCommit
from ganforge_coordinator.app import create_app as create_coordinator
from ganforge_coordinator.settings import CoordinatorSettings
from ganforge_repository.app import create_app as create_repository
from ganforge_repository.settings import RepositorySettings
from tests.conftest import TOKEN
from tests.coordinator.running import TOKENS, Coordinator, Work, running
from tests.repository.files import weights_of
from tests.support.served_app import served

SIDE = 8
NETWORKS = ("DigitsGenerator", "DigitsDiscriminator")


class Site:
    """Both services, and what a learner does to them."""

    def __init__(self, coordinator: Coordinator, repository: RepositoryClient) -> None:
        self.coordinator = coordinator
        self.repository = repository
        self.url = coordinator.url
        self._seqs: dict[str, int] = {}

    def begin(self, *, name: str | None = None, **config: object) -> Work:
        """Submit a job on the digits and let a learner begin it."""
        job = self.coordinator.submit(
            networks=list(NETWORKS),
            dataset="digits",
            name=name,
            config={"generatorDim": 10, "batchSize": 64, **config},
        )
        work = self.coordinator.learner(f"learner-of-{job.id}").work()
        assert work.job_id == job.id
        self.repository.open_epoch(job.id, work.epoch, tag=job.tag)
        return work

    def learn(self, work: Work, first: int, last: int, *, seed: int = 0) -> None:
        """Push the losses of iterations ``first`` to ``last - 1``, such as a GAN has."""
        random = np.random.default_rng([seed, first])
        n = np.arange(first, last)
        early = np.exp(-n / 250)
        columns = {
            "minibatchLoss": 1.05 + 0.9 * early * np.sin(n / 60) + random.normal(0, 0.12, n.size),
            "dLossReal": 0.62 + 0.25 * early + random.normal(0, 0.07, n.size),
            "dLossFake": 0.55 + 0.35 * early + random.normal(0, 0.08, n.size),
        }
        series = {key: [float(value) for value in column] for key, column in columns.items()}
        seq = self._seqs.get(work.id, 0)
        self._seqs[work.id] = seq + 1
        push = ProgressPush(seq=seq, first=first, series=series, iterations_per_second=212.0)
        work.client.push_progress(work.id, push)

    def snapshot(self, work: Work, iteration: int, picture: bytes | None) -> int:
        """Commit a snapshot at the repository, note it, give the generator's version."""
        samples = None if picture is None else self._put(picture, PNG)
        blobs = {
            network: NetworkBlobs(
                weights=self._put(weights_of(network, iteration), SAFETENSORS),
                samples=samples if network == NETWORKS[0] else None,
            )
            for network in NETWORKS
        }
        commit = SnapshotCommit(
            epoch=work.epoch, iteration=iteration, tag=work.assignment.tag, networks=blobs
        )
        made = self.repository.commit_snapshot(work.job_id, commit)
        versions = {network: told.version for network, told in made.networks.items()}
        work.client.note_snapshot(work.id, SnapshotNote(iteration=iteration, versions=versions))
        return versions[NETWORKS[0]]

    def _put(self, content: bytes, media_type: str) -> str:
        name = digest.of_bytes(content)
        self.repository.put_blob(name, content, media_type)
        return name


@contextmanager
def site(folder: Path, *, database_url: str | None = None) -> Iterator[Site]:
    """Run both services on real sockets until the block ends."""
    repository_app = create_repository(RepositorySettings(data=folder, tokens=f"admin:{TOKEN}"))
    with served(repository_app) as repository_url:
        settings = CoordinatorSettings(
            data=folder,
            database_url=database_url,
            tokens=",".join(f"{role}:{token}" for role, token in TOKENS.items()),
            repository_url=repository_url,
            repository_token=TOKEN,
            repository_public_url=repository_url,
        )
        transport = Transport(repository_url, TOKEN)
        try:
            with running(create_coordinator(settings)) as coordinator:
                yield Site(coordinator, RepositoryClient(transport))
        finally:
            transport.close()


def digits_grid(clarity: float, *, per_side: int = SIDE, seed: int = 7) -> bytes:
    """Draw a grid of real digits that come out of noise as ``clarity`` goes from 0 to 1."""
    random = np.random.default_rng(seed)
    real = load_digits().images[: per_side**2] / 16.0
    noise = random.uniform(0, 1, real.shape)
    blurred = 0.5 * real + 0.5 * (np.roll(real, 1, 1) + np.roll(real, 1, 2)) / 2
    shown = clarity * (clarity * real + (1 - clarity) * blurred) + (1 - clarity) * noise
    side = per_side * (SIDE + 1) + 1
    grid = np.zeros((side, side))
    for place, digit in enumerate(shown):
        top, left = (1 + (SIDE + 1) * k for k in divmod(place, per_side))
        grid[top : top + SIDE, left : left + SIDE] = digit
    file = BytesIO()
    Image.fromarray((grid.clip(0, 1) * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()
