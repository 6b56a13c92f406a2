"""Weights: what one may ask of the weights of a repository."""

import os
from collections.abc import Iterator
from pathlib import Path

from ganforge.errors import NotFound
from ganforge.repository import Progress, RepositoryClient
from ganforge.wire.weights import LATEST, Diff, TagSummary, Version, VersionSummary


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
