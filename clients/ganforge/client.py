"""Client: everything one may ask of ganforge, in one object."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from ganforge._transport import Transport
from ganforge.coordinator import CoordinatorClient
from ganforge.errors import GanforgeError, NotFound
from ganforge.recipes import Recipe
from ganforge.repository import Progress, RepositoryClient
from ganforge.tokens import Tokens
from ganforge.wire.datasets import DatasetInfo
from ganforge.wire.evaluation import STRATEGY
from ganforge.wire.jobs import (
    Job,
    JobAction,
    JobEvent,
    JobPatch,
    JobState,
    LearnJob,
    ProgressSeries,
)
from ganforge.wire.learning import Learner, LearnerAction, StrategyInfo
from ganforge.wire.progress import LearnProgress
from ganforge.wire.quality import QualityNote
from ganforge.wire.weights import (
    LATEST,
    Diff,
    NetworkSummary,
    TagSummary,
    Version,
    VersionSummary,
)

DEFAULT_SERVER = "http://127.0.0.1:8080"
LOSS = "minibatchLoss"


class JobFailed(GanforgeError):
    """A job that was watched has failed; ``job`` tells all of it: change it, or retry it."""

    slug = "job-failed"
    title = "Job failed"

    def __init__(self, job: Job) -> None:
        super().__init__(why_failed(job))
        self.job = job


class Client:
    """Talks to a coordinator and a repository, on one origin or apart.

    May be shared by threads, and used as a context manager, which closes its connections.

    Args:
        server: the origin of both services; else ``GANFORGE_COORDINATOR_URL`` and
            ``GANFORGE_REPOSITORY_URL``, else ``GANFORGE_URL``, else ``http://127.0.0.1:8080``.
        token: the bearer token; else ``GANFORGE_TOKEN``, else, for a server on this machine, the
            token that ``ganforge up`` keeps in its data folder (``GANFORGE_DATA``, else
            ``./ganforge-data``).
        timeout_s: seconds to wait for a connection or for the next bytes.
    """

    def __init__(
        self, server: str | None = None, *, token: str | None = None, timeout_s: float = 30.0
    ) -> None:
        self.coordinator_url = _url("GANFORGE_COORDINATOR_URL", server)
        self.repository_url = _url("GANFORGE_REPOSITORY_URL", server)
        self._transports = {
            url: Transport(url, token or _find_token(url), timeout_s=timeout_s)
            for url in {self.coordinator_url, self.repository_url}
        }
        self._coordinator = CoordinatorClient(self._transports[self.coordinator_url])
        repository = RepositoryClient(self._transports[self.repository_url])
        self.jobs = Jobs(self._coordinator)
        self.tokens = Tokens(self._transports[self.coordinator_url])
        self.weights = Weights(repository)
        self.networks = Networks(repository)

    def learn(
        self,
        networks: str | Sequence[str] | None = None,
        dataset: str | None = None,
        *,
        name: str | None = None,
        priority: int = 0,
        stall_seconds: float | None = None,
        **config: Any,
    ) -> Job:
        """Submit a learn job and return at once; ``jobs.watch`` follows it.

        Args:
            networks: the networks to learn, in the order the strategy takes them; a list, or one
                text with commas; the recipe's when not given.
            dataset: the dataset to learn from; the recipe's when not given.
            name: a name for people.
            priority: higher is claimed first.
            stall_seconds: how long an iteration may take before its attempt is taken for hung;
                the time of 20 iterations, at least 300 s, when not given.
            config: ``recipe``, a name that ``recipes()`` tells; the strategy's keys as
                ``strategies()`` tells them, in camelCase; ``targetCount``, how many learners
                work on it together, where some can; and ``targetFilter``, which may, by their
                labels: an LDAP filter such as ``(gpu.count>=1)``, or a mapping with
                ``matchLabels`` and ``matchExpressions``.

        Raises:
            UnknownName: a network, dataset, strategy or key nobody knows; the nearest is named.
            BadInput: a value of the wrong type or out of range.
            NetworkMisfit: networks that do not fit each other, the config or the dataset.
        """
        target_count = config.pop("targetCount", 1)
        target_filter = config.pop("targetFilter", None)
        return self._coordinator.submit(
            learn_job(
                networks=_names(networks),
                dataset=dataset,
                config=config,
                name=name,
                priority=priority,
                stall_seconds=stall_seconds,
                target_count=target_count,
                target_filter=target_filter,
            )
        )

    def evaluate(
        self,
        network: str,
        dataset: str,
        *,
        tag: str | None = None,
        version: int | str = LATEST,
        name: str | None = None,
        priority: int = 0,
        **config: Any,
    ) -> Job:
        """Submit an evaluate job and return at once; ``jobs.quality`` tells what came out.

        Args:
            network: a generator.
            dataset: the dataset to compare its samples with.
            tag: the line; the one that got a version last when not given.
            version: a number, or ``latest``, which is the one that is it now.
            name: a name for people.
            priority: higher is claimed first.
            config: ``samples`` and ``seed``, and ``targetFilter`` as ``learn`` takes it.

        Raises:
            UnknownName: a network, tag, version, dataset or key nobody knows.
            NetworkMisfit: the network makes something else than the dataset's samples.
        """
        tag = tag or self.weights.newest_tag(network)
        if version == LATEST:
            version = self.weights.version(network, tag=tag).version
        keys = {"strategy": STRATEGY, "tag": tag, "version": version, **config}
        return self.learn([network], dataset, name=name, priority=priority, **keys)

    def datasets(self) -> list[DatasetInfo]:
        """List the datasets that learners can read."""
        return self._coordinator.datasets()

    def recipes(self) -> list[Recipe]:
        """List the recipes: whole jobs to start from."""
        return self._coordinator.recipes()

    def strategies(self) -> list[StrategyInfo]:
        """List the learning strategies, each with the JSON Schema of its config keys."""
        return self._coordinator.strategies()

    def learners(self) -> list[Learner]:
        """List the learners and what they work on."""
        return self._coordinator.learners()

    def steer_learner(self, name: str, action: LearnerAction | str) -> Learner:
        """Drain a learner, quarantine it, or resume giving it jobs; needs the role admin.

        Args:
            name: the learner's name, or its id.
            action: ``drain`` (it gives back its job with a snapshot and gets no more),
                ``quarantine`` (it may end its job) or ``resume``.

        Raises:
            NotFound: there is no such learner.
        """
        known = {told.name: told.id for told in self.learners()}
        return self._coordinator.steer_learner(known.get(name, name), LearnerAction(action))

    def close(self) -> None:
        """Close every connection; may be called twice."""
        for transport in self._transports.values():
            transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


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


class Weights:
    """The weights of a repository.

    Args:
        repository: who keeps them.
    """

    def __init__(self, repository: RepositoryClient) -> None:
        self._repository = repository

    def pull(
        self,
        network: str,
        *,
        tag: str,
        to: str | os.PathLike[str],
        version: int | str = LATEST,
        progress: Progress | None = None,
    ) -> Path:
        """Fetch weights into the safetensors file ``to``, whole and verified or not at all.

        Raises:
            NotFound: there is no such version.
        """
        return self._repository.pull(network, tag, version, to=to, progress=progress)

    def push(self, network: str, path: str | os.PathLike[str], *, tag: str) -> Version:
        """Bring a safetensors file as the next version of ``tag``.

        Raises:
            BadWeights: the file is broken or does not fit the network.
        """
        return self._repository.push(network, tag, path)

    def tags(self, network: str) -> Iterator[TagSummary]:
        """Go through the tags of a network by name."""
        return self._repository.tags(network)

    def newest_tag(self, network: str) -> str:
        """Find the tag of a network that got a version last.

        Raises:
            NotFound: there is no such network, or it has no weights.
        """
        self._repository.network(network)  # a misspelt name is told as one
        tags = list(self.tags(network))
        if not tags:
            raise NotFound(f"{network} has no weights yet: train it first (ganforge learn)")
        return max(tags, key=lambda tag: tag.updated_at).tag

    def versions(self, network: str, *, tag: str) -> Iterator[VersionSummary]:
        """Go through the versions of a tag, newest first."""
        return self._repository.versions(network, tag)

    def version(self, network: str, *, tag: str, version: int | str = LATEST) -> Version:
        """Tell of one version."""
        return self._repository.version(network, tag, version)

    def promote(
        self, network: str, *, tag: str, from_tag: str, from_version: int | str = LATEST
    ) -> Version:
        """Point ``tag`` at an existing version; no bytes are copied."""
        return self._repository.promote(network, tag, from_tag=from_tag, from_version=from_version)

    def diff(self, network: str, *, tag: str, a: int | str, b: int | str = LATEST) -> Diff:
        """Tell tensor by tensor how version ``b`` differs from version ``a``."""
        return self._repository.diff(network, tag, a, b)

    def samples(self, network: str, *, tag: str, version: int | str = LATEST) -> bytes:
        """Fetch the sample grid that was drawn with a version, as PNG.

        Raises:
            NotFound: there is no such version, or none was drawn with it.
        """
        return self._repository.samples(network, tag, version)


class Networks:
    """The networks of a repository.

    Args:
        repository: who keeps them.
    """

    def __init__(self, repository: RepositoryClient) -> None:
        self._repository = repository

    def get(self, name: str) -> NetworkSummary:
        """Tell of one network.

        Raises:
            NotFound: there is none of this name.
        """
        return self._repository.network(name)

    def list(self) -> Iterator[NetworkSummary]:
        """Go through all networks by name."""
        return self._repository.networks()

    def put(
        self, name: str, definition: Mapping[str, Any], *, if_match: str | None = None
    ) -> NetworkSummary:
        """Define a network or define it anew.

        Args:
            name: the network's name.
            definition: the architecture.
            if_match: the ``etag`` it has to have now, to change nothing unseen.

        Raises:
            BadInput: the definition makes no sense.
            Conflict: it has weights that would not fit any more.
        """
        return self._repository.put_network(name, definition, if_match=if_match)


def _names(networks: str | Sequence[str] | None) -> list[str] | None:
    if networks is None:
        return None
    names = networks.split(",") if isinstance(networks, str) else networks
    return [each.strip() for each in names]


def learn_job(**fields: Any) -> LearnJob:
    """Make a learn job; what is wrong with it is told as the server would.

    Raises:
        BadInput: a field is wrong.
    """
    from pydantic import ValidationError

    from ganforge.errors import BadInput

    try:
        return LearnJob(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"{where}: {first['msg']}") from error


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


def _url(variable: str, server: str | None) -> str:
    url = server or os.environ.get(variable) or os.environ.get("GANFORGE_URL") or DEFAULT_SERVER
    url = url.rstrip("/")
    return url if "://" in url else f"http://{url}"


def _find_token(url: str) -> str | None:
    """Find the token for the server at ``url``.

    The token in the data folder is the one of this machine's own server: no other gets it.
    """
    if token := os.environ.get("GANFORGE_TOKEN"):
        return token
    if urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"):
        return None
    path = Path(os.environ.get("GANFORGE_DATA") or "ganforge-data") / "token"
    try:
        return path.read_text().strip() or None
    except OSError:
        return None
