import base64
import hashlib
import itertools

import pytest

from ganforge.errors import NotFound
from tests.repository.conftest import Repository
from tests.repository.files import large_file, picture, weights_of

VERSIONS = "/v1/networks/Generator/tags/mine/versions"


@pytest.fixture
def content(repository: Repository) -> bytes:
    """Weights that are there as Generator@mine:1."""
    made = weights_of("Generator")
    repository.client().push("Generator", "mine", repository.file(made))
    return made


def test_weights_come_with_all_that_caches_and_people_need(
    repository: Repository, content: bytes
) -> None:
    answer = repository.send("GET", f"{VERSIONS}/1/weights", "read")

    hashed = hashlib.sha256(content)
    assert answer.content == content
    assert answer.headers["ETag"] == f'"sha256:{hashed.hexdigest()}"'
    assert answer.headers["Content-Length"] == str(len(content))
    assert answer.headers["Content-Type"] == "application/vnd.safetensors"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Repr-Digest"] == (
        f"sha-256=:{base64.b64encode(hashed.digest()).decode()}:"
    )
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="Generator@mine-1.safetensors"'
    )
    assert "immutable" in answer.headers["Cache-Control"]


def test_the_latest_weights_have_to_be_asked_for_again(
    repository: Repository, content: bytes
) -> None:
    answer = repository.send("GET", f"{VERSIONS}/latest/weights")

    assert answer.content == content
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["Content-Location"] == f"{VERSIONS}/1/weights"


def test_head_says_what_get_would(repository: Repository, content: bytes) -> None:
    got = repository.send("GET", f"{VERSIONS}/1/weights")

    head = repository.send("HEAD", f"{VERSIONS}/1/weights", headers={"Range": "bytes=0-3"})

    assert head.status_code == 200
    assert head.content == b""
    for name in ("ETag", "Content-Length", "Content-Type", "Repr-Digest", "Accept-Ranges"):
        assert head.headers[name] == got.headers[name]


@pytest.mark.parametrize("pattern", ['"{}"', 'W/"{}"', '"x", "{}"', "*"])
def test_who_has_the_weights_is_not_sent_them(
    repository: Repository, content: bytes, pattern: str
) -> None:
    etag = f"sha256:{hashlib.sha256(content).hexdigest()}"

    answer = repository.send(
        "GET",
        f"{VERSIONS}/latest/weights",
        headers={"If-None-Match": pattern.format(etag), "Range": "bytes=0-3"},
    )

    assert answer.status_code == 304
    assert answer.content == b""
    assert answer.headers["ETag"] == f'"{etag}"'
    assert answer.headers["Cache-Control"] == "private, no-cache"


def test_a_part_is_sent_as_206(repository: Repository, content: bytes) -> None:
    answer = repository.send("GET", f"{VERSIONS}/1/weights", headers={"Range": "bytes=5-99"})

    assert answer.status_code == 206
    assert answer.content == content[5:100]
    assert answer.headers["Content-Range"] == f"bytes 5-99/{len(content)}"
    assert answer.headers["Content-Length"] == "95"


def test_a_part_behind_the_end_is_refused_with_the_size(
    repository: Repository, content: bytes
) -> None:
    answer = repository.send("GET", f"{VERSIONS}/1/weights", headers={"Range": "bytes=9999999-"})

    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(content)}"
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_if_range_of_another_file_gives_the_whole(repository: Repository, content: bytes) -> None:
    answer = repository.send(
        "GET",
        f"{VERSIONS}/1/weights",
        headers={"Range": "bytes=5-99", "If-Range": '"sha256:other"'},
    )

    assert answer.status_code == 200
    assert answer.content == content


def test_parts_that_cross_chunks_fit_together(repository: Repository) -> None:

    made = large_file((3 << 20) + 5)
    name = repository.put(made)
    edges = [0, 1, (1 << 20) - 1, 1 << 20, (2 << 20) + 7, 3 << 20, len(made)]

    parts = [
        repository.send(
            "GET", f"/v1/blobs/{name}", headers={"Range": f"bytes={begin}-{end - 1}"}
        ).content
        for begin, end in itertools.pairwise(edges)
    ]

    assert b"".join(parts) == made


def test_samples_come_with_the_version_they_were_drawn_with(repository: Repository) -> None:
    client = repository.client("learner")
    client.open_epoch("job", 1, tag="run")
    client.commit_snapshot("job", repository.commit_of(1, 10))
    path = "/v1/networks/Generator/tags/run/versions/1/samples.png"

    answer = repository.send("GET", path, "read")
    again = repository.send("GET", path, headers={"If-None-Match": answer.headers["ETag"]})

    assert client.samples("Generator", "run") == answer.content == picture(10)
    assert answer.headers["Content-Type"] == "image/png"
    assert again.status_code == 304
    with pytest.raises(NotFound, match="no samples were drawn of Discriminator@run:1"):
        client.samples("Discriminator", "run")
