"""What is fetched is what was meant, whole; else nothing is left of it."""

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ganforge.cli.application import run
from ganforge.errors import BadInput
from ganforge_learner.dataset_files import find_datasets
from ganforge_learner.dataset_files.well_known import WELL_KNOWN
from ganforge_learner.datasets import load_dataset
from tests.learner.dataset_files.loopback import FileServer, serving
from tests.learner.dataset_files.pictures import colours, encoded
from tests.learner.dataset_files.test_cifar import records
from tests.learner.idx_files import idx_bytes, images, labels

IMAGES = colours(4)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FileServer]:
    """Serve files on loopback, where no proxy stands between."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    with serving() as files:
        monkeypatch.setenv("HF_ENDPOINT", files.url)
        yield files


def add(data: Path, name: str, *words: str) -> int:
    return run(["datasets", "add", name, "--data", str(data), *words])


def by_url(server: FileServer, files: dict[str, bytes]) -> list[str]:
    """Put files on the server, and say them on the command line."""
    words = []
    for name, body in files.items():
        server.files[f"/{name}"] = body
        words += ["--url", f"{server.url}/{name}", "--sha256", hashlib.sha256(body).hexdigest()]
    return words


IDX = {
    "train-images-idx3-ubyte": idx_bytes(images(6)),
    "train-labels-idx1-ubyte": idx_bytes(labels(6)),
}


def test_files_are_fetched_by_url_and_checksum(
    tmp_path: Path, server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(tmp_path, "Fans", *by_url(server, IDX)) == 0
    assert "Fans: 6 samples of 1x4x5" in capsys.readouterr().err
    assert find_datasets(tmp_path)["Fans"].size == 6
    assert add(tmp_path, "Fans", *by_url(server, IDX)) == 0
    assert sorted(server.asked) == sorted(f"/{name}" for name in IDX)


def test_a_wrong_checksum_leaves_nothing(
    tmp_path: Path, server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    words = by_url(server, IDX)
    server.files["/train-labels-idx1-ubyte"] += b"!"
    assert add(tmp_path, "Fans", *words) == 2
    told = capsys.readouterr().err
    assert f"{server.url}/train-labels-idx1-ubyte is not the file that was meant" in told
    assert set(find_datasets(tmp_path)) == {"digits"}
    assert [path for path in (tmp_path / "datasets").rglob("*") if path.is_file()] == []


def test_a_file_that_is_not_there_leaves_nothing(
    tmp_path: Path, server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    words = by_url(server, IDX)
    del server.files["/train-labels-idx1-ubyte"]
    assert add(tmp_path, "Fans", *words) == 2
    assert "cannot be fetched: 404" in capsys.readouterr().err
    assert [path for path in (tmp_path / "datasets").rglob("*") if path.is_file()] == []


def cifar_tar(name: str = "cifar-10-batches-bin/data_batch_1.bin") -> bytes:
    batch = records(colours(3, 32, 32), np.array([1, 2, 3], np.uint8))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        told = tarfile.TarInfo(name)
        told.size = len(batch)
        tar.addfile(told, io.BytesIO(batch))
    return packed.getvalue()


def test_archives_are_unpacked(tmp_path: Path, server: FileServer) -> None:
    assert add(tmp_path, "Ten", *by_url(server, {"cifar.tar.gz": cifar_tar()})) == 0
    assert find_datasets(tmp_path)["Ten"].size == 3
    assert not list((tmp_path / "datasets").rglob("*.tar.gz"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("dog/1.png", encoded(IMAGES[0]))
    assert add(tmp_path, "Dogs", *by_url(server, {"dogs.zip": packed.getvalue()})) == 0
    assert find_datasets(tmp_path)["Dogs"].classes == 1


def test_an_archive_cannot_write_elsewhere(
    tmp_path: Path, server: FileServer, capsys: pytest.CaptureFixture[str]
) -> None:
    words = by_url(server, {"evil.tar.gz": cifar_tar("../../../data_batch_1.bin")})
    assert add(tmp_path, "Ten", *words) == 2
    assert "evil.tar.gz cannot be unpacked" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.bin"))


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path, server: FileServer) -> None:
    (tmp_path / "datasets" / "Fans").mkdir(parents=True)
    (tmp_path / "datasets" / "Fans" / "mine.txt").write_text("mine")
    assert add(tmp_path, "Fans", *by_url(server, IDX)) == 2
    assert [path.name for path in (tmp_path / "datasets" / "Fans").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["Nobody"], 3),
        (["digits"], 2),
        (["../x"], 2),
        (["Fans", "--url", "http://127.0.0.1/x"], 2),
        (["Fans", "--url", "file:///etc/passwd", "--sha256", "0" * 64], 2),
    ],
)
def test_what_cannot_be_added_is_refused(tmp_path: Path, words: list[str], code: int) -> None:
    assert add(tmp_path, *words) == code
    assert not (tmp_path / "datasets").exists()


def test_a_descriptor_in_the_folder_waits_to_be_fetched(tmp_path: Path, server: FileServer) -> None:
    by_url(server, IDX)
    files = [
        {"url": f"{server.url}/{name}", "sha256": hashlib.sha256(body).hexdigest()}
        for name, body in IDX.items()
    ]
    (tmp_path / "datasets").mkdir()
    told = {"type": "download", "files": files}
    (tmp_path / "datasets" / "Fans.json").write_text(json.dumps(told))
    with pytest.raises(BadInput, match="is not fetched yet: ganforge datasets add Fans"):
        load_dataset("Fans", tmp_path)
    assert "Fans" not in find_datasets(tmp_path)
    assert add(tmp_path, "Fans") == 0
    assert find_datasets(tmp_path)["Fans"].size == 6


def parquet(first: int, last: int) -> bytes:
    cells = [{"bytes": encoded(image), "path": None} for image in IMAGES[first:last]]
    packed = io.BytesIO()
    pq.write_table(pa.table({"image": cells, "label": list(range(first, last))}), packed)
    return packed.getvalue()


def add_split(data: Path, **told: Any) -> int:
    path = data / "mine.json"
    path.write_text(json.dumps({"type": "huggingface", "repo": "me/pets", **told}))
    return add(data, "Pets", "--descriptor", str(path))


def test_a_split_is_fetched_from_hugging_face(tmp_path: Path, server: FileServer) -> None:
    server.repositories["me/pets@main"] = {
        "README.md": b"hello",
        "data/train-00000-of-00002.parquet": parquet(0, 2),
        "data/train-00001-of-00002.parquet": parquet(2, 4),
        "data/test-00000-of-00001.parquet": parquet(0, 1),
    }
    assert add_split(tmp_path) == 0
    assert find_datasets(tmp_path)["Pets"].size == 4
    assert torch.equal(load_dataset("Pets", tmp_path).samples, torch.from_numpy(IMAGES))
    assert not any("test-00000" in path for path in server.asked)
    asked = len(server.asked)
    assert add_split(tmp_path) == 0
    assert len(server.asked) == asked


def test_a_revision_and_how_to_read_it_may_be_said(tmp_path: Path, server: FileServer) -> None:
    server.repositories["me/pets@v2"] = {"small/test/0000.parquet": parquet(1, 4)}
    assert add_split(tmp_path, revision="v2", split="test", size=3, channels=1) == 0
    assert load_dataset("Pets", tmp_path).samples.shape == (3, 1, 3, 3)


def test_what_was_converted_to_parquet_is_taken_where_there_is_no_other(
    tmp_path: Path, server: FileServer
) -> None:
    server.repositories["me/pets@main"] = {"loader.csv": b"1,2"}
    server.repositories["me/pets@refs/convert/parquet"] = {
        "small/train/0000.parquet": parquet(0, 4),
        "large/train/0000.parquet": parquet(0, 4),
    }
    assert add_split(tmp_path) == 2
    assert add_split(tmp_path, config="small") == 0
    assert find_datasets(tmp_path)["Pets"].size == 4


@pytest.mark.parametrize("told", [{"split": "train"}, {"repo": "me/nothing"}, {"revision": "v3"}])
def test_a_split_that_is_not_there_leaves_nothing(
    tmp_path: Path, server: FileServer, told: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    server.repositories["me/pets@main"] = {"data/test-00000-of-00001.parquet": parquet(0, 1)}
    server.repositories["me/pets@refs/convert/parquet"] = {}
    assert add_split(tmp_path, **told) == 2
    assert told.get("repo", "me/pets") in capsys.readouterr().err
    assert [path for path in (tmp_path / "datasets").rglob("*") if path.is_file()] == []


def test_check_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "datasets" / "Pets").mkdir(parents=True)
    (tmp_path / "datasets" / "Pets" / "1.png").write_text("words")
    assert run(["datasets", "check", "--data", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert "1797 samples of 1x8x8, 10 classes" in told
    assert "broken: Pets/1.png is no PNG or JPEG" in told
    assert run(["datasets", "check", "digits", "--data", str(tmp_path)]) == 0
    assert run(["datasets", "check", "Cats", "--data", str(tmp_path)]) == 3


def test_what_is_known_by_name_can_be_read_as_it_is_published() -> None:
    assert set(WELL_KNOWN) == {"MNIST", "Fashion-MNIST", "CIFAR-10"}
    for descriptor in WELL_KNOWN.values():
        assert all(file.url.startswith("https://") for file in descriptor.files)
