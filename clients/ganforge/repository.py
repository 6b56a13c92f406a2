"""RepositoryClient: networks, weights and snapshots, as the repository keeps them."""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ganforge import digest as digests
from ganforge._transport import Transport
from ganforge.errors import BadWeights, NotFound, Unreachable
from ganforge.wire.model import WireModel
from ganforge.wire.quality import QualityReport
from ganforge.wire.weights import (
    LATEST,
    SAFETENSORS,
    Blob,
    Diff,
    NetworkPage,
    NetworkSummary,
    OpenedEpoch,
    OpenEpoch,
    Promotion,
    QualityReply,
    Snapshot,
    SnapshotCommit,
    TagPage,
    TagSummary,
    Version,
    VersionPage,
    VersionRef,
    VersionSummary,
)

BLOCK_BYTES = 1 << 20
STALLS = 5

Progress = Callable[[int, int], None]
"""Told of bytes done and bytes in all."""

Page = TypeVar("Page", bound=WireModel)


class RepositoryClient:
    """Talks to a repository.

    Args:
        transport: the connection to the server; closed by whoever made it.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def networks(self) -> Iterator[NetworkSummary]:
        """Go through all networks by name."""
        for page in self._pages("/v1/networks", NetworkPage):
            yield from page.items

    def network(self, name: str) -> NetworkSummary:
        """Tell of one network.

        Raises:
            NotFound: there is none of this name.
        """
        answer = self._transport.request("GET", f"/v1/networks/{name}")
        return NetworkSummary.model_validate_json(answer.content)

    def put_network(
        self, name: str, definition: Mapping[str, Any], *, if_match: str | None = None
    ) -> NetworkSummary:
        """Define a network or define it anew.

        Args:
            name: the network's name.
            definition: the architecture; see ``ganforge.networks.NetworkDefinition``.
            if_match: the ``etag`` it has to have now, to change nothing unseen.

        Raises:
            BadInput: the definition makes no sense.
            Conflict: it has weights that would not fit any more.
        """
        headers = {"If-Match": f'"{if_match}"'} if if_match else None
        answer = self._transport.request(
            "PUT", f"/v1/networks/{name}", json=dict(definition), headers=headers
        )
        return NetworkSummary.model_validate_json(answer.content)

    def tags(self, network: str) -> Iterator[TagSummary]:
        """Go through the tags of a network by name."""
        for page in self._pages(f"/v1/networks/{network}/tags", TagPage):
            yield from page.items

    def versions(self, network: str, tag: str) -> Iterator[VersionSummary]:
        """Go through the versions of a tag, newest first."""
        for page in self._pages(_versions(network, tag), VersionPage):
            yield from page.items

    def version(self, network: str, tag: str, version: int | str = LATEST) -> Version:
        """Tell of one version.

        Raises:
            NotFound: there is none.
        """
        answer = self._transport.request("GET", f"{_versions(network, tag)}/{version}")
        return Version.model_validate_json(answer.content)

    def pull(
        self,
        network: str,
        tag: str,
        version: int | str = LATEST,
        *,
        to: str | os.PathLike[str],
        progress: Progress | None = None,
    ) -> Path:
        """Fetch weights into a file.

        The file appears whole and verified or not at all. What was fetched before the connection
        broke is kept beside it, and the next pull goes on from there.

        Args:
            network: the network's name.
            tag: the tag's name.
            version: a number, or ``latest``.
            to: the file; one that is there is replaced.
            progress: told of bytes done and bytes in all, now and then.

        Returns:
            The path of the file.

        Raises:
            NotFound: there is no such version.
            BadWeights: the bytes that arrived are not those of the version.
            Unreachable: the connection breaks again and again.
        """
        found = self.version(network, tag, version)
        path = Path(to)
        part = path.with_name(f".{path.name}.{found.digest[7:23]}.part")
        self._fetch(found.links.weights, found.digest, found.size_bytes, part, progress)
        os.replace(part, path)
        return path

    def push(
        self, network: str, tag: str, path: str | os.PathLike[str], *, key: str | None = None
    ) -> Version:
        """Bring weights from elsewhere: a safetensors file with exactly the network's tensors.

        Args:
            network: the network's name.
            tag: the tag to append to; made when there is none.
            path: the file.
            key: an Idempotency-Key: the same key gives the same version again.

        Raises:
            BadWeights: the file is broken or does not fit; ``tensors`` says where.
        """
        file = _Blocks(Path(path))
        answer = self._transport.request(
            "POST",
            _versions(network, tag),
            content=file,
            headers={**file.headers(SAFETENSORS), "Idempotency-Key": key or str(uuid.uuid4())},
            retry=True,
        )
        return Version.model_validate_json(answer.content)

    def promote(
        self, network: str, tag: str, *, from_tag: str, from_version: int | str = LATEST
    ) -> Version:
        """Point ``tag`` at an existing version; no bytes are copied.

        Raises:
            NotFound: there is no such version.
        """
        if from_version == LATEST:
            from_version = self.version(network, from_tag).version
        source = VersionRef(tag=from_tag, version=int(from_version))
        body = Promotion(source=source).model_dump(mode="json", by_alias=True)
        answer = self._transport.request("PUT", f"/v1/networks/{network}/tags/{tag}", json=body)
        return Version.model_validate_json(answer.content)

    def put_quality(
        self, network: str, tag: str, version: int, report: QualityReport
    ) -> QualityReply:
        """Keep the quality of a version; a newer one takes its place.

        Raises:
            NotFound: there is no such version.
        """
        answer = self._transport.request(
            "PUT",
            f"{_versions(network, tag)}/{version}/quality",
            json=report.model_dump(mode="json", by_alias=True),
        )
        return QualityReply.model_validate_json(answer.content)

    def diff(self, network: str, tag: str, a: int | str, b: int | str) -> Diff:
        """Tell tensor by tensor how version ``b`` differs from version ``a``."""
        answer = self._transport.request("GET", f"{_versions(network, tag)}/{a}/diff/{b}")
        return Diff.model_validate_json(answer.content)

    def samples(self, network: str, tag: str, version: int | str = LATEST) -> bytes:
        """Fetch the sample grid that was drawn with a version, as PNG.

        Raises:
            NotFound: there is no such version, or none was drawn with it.
        """
        path = f"{_versions(network, tag)}/{version}/samples.png"
        return self._transport.request("GET", path).content

    def open_epoch(self, job: str, epoch: int, *, tag: str) -> OpenedEpoch:
        """Open an epoch: from then on every older one of the job is refused.

        Returns:
            What to go on from.

        Raises:
            StaleEpoch: a newer epoch is open already.
        """
        body = OpenEpoch(epoch=epoch, tag=tag).model_dump(mode="json", by_alias=True)
        # May be sent twice: opening an epoch again changes nothing.
        answer = self._transport.request("POST", f"/v1/snapshots/{job}/open", json=body, retry=True)
        return OpenedEpoch.model_validate_json(answer.content)

    def latest_snapshot(self, job: str) -> Snapshot | None:
        """Find the job's latest snapshot, if there is one."""
        try:
            answer = self._transport.request("GET", f"/v1/snapshots/{job}")
        except NotFound:
            return None
        return Snapshot.model_validate_json(answer.content)

    def commit_snapshot(self, job: str, commit: SnapshotCommit) -> Snapshot:
        """Commit a snapshot: all of it or nothing.

        Raises:
            StaleEpoch: a newer epoch is open: drop everything of this attempt.
            BadWeights: a blob is missing or does not fit its network.
        """
        body = commit.model_dump(mode="json", by_alias=True)
        # May be sent twice: the same body gives the same snapshot.
        answer = self._transport.request("POST", f"/v1/snapshots/{job}", json=body, retry=True)
        return Snapshot.model_validate_json(answer.content)

    def put_blob(self, digest: str, data: bytes | Path, media_type: str) -> None:
        """Bring bytes, unless the repository has them already.

        Args:
            digest: their name; see ``ganforge.digest``.
            data: the bytes, or the file that holds them.
            media_type: ``application/vnd.safetensors`` or ``image/png``.

        Raises:
            BadInput: the bytes have another digest, or are not what ``media_type`` says.
            TooLarge: the repository takes no files of this size.
        """
        try:
            self._transport.request("HEAD", f"/v1/blobs/{digest}")
        except NotFound:
            blocks = _Blocks(data)
            answer = self._transport.request(
                "PUT", f"/v1/blobs/{digest}", content=blocks, headers=blocks.headers(media_type)
            )
            Blob.model_validate_json(answer.content)

    def get_blob(
        self, digest: str, *, to: str | os.PathLike[str], progress: Progress | None = None
    ) -> Path:
        """Fetch bytes into a file, which appears whole and verified or not at all.

        Raises:
            NotFound: there is no such blob.
        """
        path = Path(to)
        part = path.with_name(f".{path.name}.{digest[7:23]}.part")
        url = f"/v1/blobs/{digest}"
        size = int(self._transport.request("HEAD", url).headers["Content-Length"])
        self._fetch(url, digest, size, part, progress)
        os.replace(part, path)
        return path

    def _pages(self, path: str, kind: type[Page]) -> Iterator[Any]:
        token = None
        while True:
            answer = self._transport.request("GET", path, params={"pageToken": token})
            page: Any = kind.model_validate_json(answer.content)
            yield page
            token = page.next_page_token
            if token is None:
                return

    def _fetch(
        self, url: str, digest: str, size: int, part: Path, progress: Progress | None
    ) -> None:
        """Fetch into ``part``, going on where it ends; gives up after ``STALLS`` without a byte."""
        stalls = 0
        while (have := part.stat().st_size if part.exists() else 0) < size or not part.exists():
            try:
                self._fetch_rest(url, digest, size, part, progress)
            except Unreachable:
                stalls = stalls + 1 if _size(part) <= have else 0
                if stalls >= STALLS:
                    raise
        if digests.of_file(part) != digest:
            part.unlink()
            raise BadWeights(f"the bytes that arrived from {url} are not {digest}: pull again")

    def _fetch_rest(
        self, url: str, digest: str, size: int, part: Path, progress: Progress | None
    ) -> None:
        have = _size(part)
        # If-Range: were the bytes others, the server would send all of them.
        headers = {"Range": f"bytes={have}-", "If-Range": f'"{digest}"'} if have else {}
        with self._transport.stream("GET", url, headers=headers) as response:
            resumes = response.status_code == 206
            have = have if resumes else 0
            with part.open("ab" if resumes else "wb") as file:
                for block in response.iter_bytes(BLOCK_BYTES):
                    file.write(block)
                    have += len(block)
                    if progress is not None:
                        progress(have, size)


class _Blocks:
    """Bytes to be sent in blocks, as often as need be.

    httpx takes five times the CPU for one large ``bytes`` than for blocks of 1 MiB.
    """

    def __init__(self, data: bytes | Path) -> None:
        self._data = data if isinstance(data, bytes) else b""
        self.path = Path() if isinstance(data, bytes) else data
        self._is_file = not isinstance(data, bytes)

    def headers(self, media_type: str) -> dict[str, str]:
        size = self.path.stat().st_size if self._is_file else len(self._data)
        return {"Content-Type": media_type, "Content-Length": str(size)}

    def __iter__(self) -> Iterator[bytes]:
        if not self._is_file:
            for begin in range(0, len(self._data), BLOCK_BYTES):
                yield self._data[begin : begin + BLOCK_BYTES]
            return
        with self.path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                yield block


def _versions(network: str, tag: str) -> str:
    return f"/v1/networks/{network}/tags/{tag}/versions"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
