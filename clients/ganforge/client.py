"""Client: everything one may ask of ganforge, in one object."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from ganforge._transport import Transport
from ganforge.coordinator import CoordinatorClient
from ganforge.jobs import Jobs
from ganforge.recipes import Recipe
from ganforge.repository import RepositoryClient
from ganforge.tokens import Tokens
from ganforge.weights import Weights
from ganforge.wire.datasets import DatasetInfo
from ganforge.wire.evaluation import STRATEGY
from ganforge.wire.jobs import (
    Job,
    LearnJob,
)
from ganforge.wire.learning import Learner, LearnerAction, StrategyInfo
from ganforge.wire.weights import (
    LATEST,
    NetworkSummary,
)

DEFAULT_SERVER = "http://127.0.0.1:8080"


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
