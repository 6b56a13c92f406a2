"""The catalog and the epochs as a state machine: what may happen in any order."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ganforge.errors import Conflict, NotFound, StaleEpoch
from ganforge.wire.weights import (
    SAFETENSORS,
    NetworkBlobs,
    OpenEpoch,
    Promotion,
    Snapshot,
    SnapshotCommit,
    VersionRef,
)
from ganforge_repository import blobs, catalog, snapshots
from ganforge_repository.app import create_app
from ganforge_repository.blob_store import BlobStore
from ganforge_repository.checks import SafetensorsCheck
from ganforge_repository.settings import RepositorySettings
from ganforge_repository.upload import Upload
from tests.repository.files import weights_of

JOBS = st.sampled_from(["j1", "j2"])
TAGS = st.sampled_from(["red", "blue"])
EPOCHS = st.integers(1, 4)


class CatalogMachine(RuleBasedStateMachine):
    """Jobs commit, people push and promote, and a model keeps count."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        given = {"data": Path(self.folder.name), "tokens": "admin:0123456789abcdef"}
        app = create_app(RepositorySettings.model_validate(given))
        self.database = app.state.database
        self.digests = [self.bring(app.state.store, seed) for seed in range(3)]
        self.epochs: dict[str, int] = {}
        self.committed: dict[str, Snapshot] = {}
        self.lines: dict[str, list[str]] = {}

    def bring(self, store: BlobStore, seed: int) -> str:
        check = SafetensorsCheck()
        upload = Upload(store, check, media_type=SAFETENSORS, max_bytes=1 << 30)
        upload.feed(weights_of("Generator", seed))
        received = upload.finish()
        with blobs.registering(self.database, store, received):
            return received.digest

    @rule(job=JOBS, epoch=EPOCHS)
    def open_epoch(self, job: str, epoch: int) -> None:
        is_stale = epoch < self.epochs.get(job, 0)
        try:
            with self.database.write() as connection:
                opened = snapshots.open_epoch(connection, job, OpenEpoch(epoch=epoch, tag="red"))
        except StaleEpoch:
            assert is_stale
            return
        assert not is_stale
        self.epochs[job] = epoch
        assert opened.snapshot == self.committed.get(job)

    @rule(job=JOBS, epoch=EPOCHS, tag=TAGS, step=st.integers(-1, 2), pick=st.integers(0, 2))
    def commit(self, job: str, epoch: int, tag: str, step: int, pick: int) -> None:
        before = self.committed.get(job)
        iteration = max((before.iteration if before else 0) + step, 0)
        parts = {"Generator": NetworkBlobs(weights=self.digests[pick])}
        body = SnapshotCommit(epoch=epoch, iteration=iteration, tag=tag, networks=parts)
        try:
            with self.database.write() as connection:
                snapshot, is_new = snapshots.commit(connection, job, body)
        except StaleEpoch:
            assert epoch < self.epochs[job]
            return
        except Conflict:
            goes_on = before is None or before.epoch != epoch or iteration > before.iteration
            assert epoch > self.epochs.get(job, 0) or not goes_on
            return
        assert epoch == self.epochs[job]
        if is_new:
            self.lines.setdefault(tag, []).append(self.digests[pick])
            self.committed[job] = snapshot
        assert snapshot.networks["Generator"].weights == self.digests[pick]

    @rule(tag=TAGS, pick=st.integers(0, 2))
    def push(self, tag: str, pick: int) -> None:
        with self.database.write() as connection:
            made = catalog.push(
                connection, "Generator", tag, self.digests[pick], idempotency_key=None
            )
        self.lines.setdefault(tag, []).append(self.digests[pick])
        assert made.version == len(self.lines[tag])

    @rule(tag=TAGS, source=TAGS, version=st.integers(1, 3))
    def promote(self, tag: str, source: str, version: int) -> None:
        line = self.lines.get(source, [])
        promotion = Promotion(source=VersionRef(tag=source, version=version))
        try:
            with self.database.write() as connection:
                made = catalog.promote(connection, "Generator", tag, promotion)
        except NotFound:
            assert version > len(line)
            return
        assert made.digest == line[version - 1]
        if made.version > len(self.lines.get(tag, [])):
            self.lines.setdefault(tag, []).append(made.digest)

    @invariant()
    def every_line_is_whole(self) -> None:
        with self.database.read() as connection:
            found = catalog.tag_listing(connection, "Generator", after=None, limit=10)
            assert {one.tag: one.latest_version for one in found} == {
                tag: len(line) for tag, line in self.lines.items()
            }
            for tag, line in self.lines.items():
                listed = catalog.version_listing(
                    connection, "Generator", tag, before=None, limit=1000
                )
                assert [one.version for one in listed] == list(range(len(line), 0, -1))
                assert [one.digest for one in reversed(listed)] == line

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()


TestCatalog = CatalogMachine.TestCase
TestCatalog.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
