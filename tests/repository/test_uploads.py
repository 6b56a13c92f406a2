import asyncio
import socket
import time
import tracemalloc
from urllib.parse import urlsplit

import pytest

from ganforge import digest
from ganforge.errors import BadInput, BadWeights, NotFound, TooLarge
from ganforge.wire.weights import PNG, SAFETENSORS
from tests.repository.conftest import MAX_BLOB_BYTES, TOKENS, Repository
from tests.repository.files import large_file, picture, state_of, weights_of
from tests.repository.hostile import HOSTILE

STORED = ("blobs", "blob_contents", "blob_chunks")


def test_no_hostile_file_is_kept_however_it_is_sent(repository: Repository) -> None:
    for trick, (file, words) in HOSTILE.items():
        blob = f"/v1/blobs/{digest.of_bytes(file)}"
        headers = {"Content-Type": SAFETENSORS}

        put = repository.send("PUT", blob, "learner", content=file, headers=headers)
        push = repository.send(
            "POST",
            "/v1/networks/Generator/tags/evil/versions",
            "submit",
            content=file,
            headers=headers,
        )

        assert (put.status_code, push.status_code) == (422, 422), trick
        assert put.headers["Content-Type"] == "application/problem+json"
        assert put.json()["type"] == "/problems/bad-weights"
        assert words in put.json()["detail"]
    assert repository.count(*STORED, "tags", "versions") == 0


def test_a_refusal_arrives_although_64_mib_were_on_their_way(repository: Repository) -> None:
    path = repository.file(b"\xff" * (64 << 20))

    with pytest.raises(BadWeights, match="header says to be"):
        repository.client().push("Generator", "evil", path)

    assert repository.count(*STORED) == 0


def test_weights_that_do_not_fit_are_refused_and_every_tensor_is_named(
    repository: Repository,
) -> None:
    path = repository.file(weights_of("Discriminator"))

    with pytest.raises(BadWeights, match="do not fit Generator: tensor") as refusal:
        repository.client("submit").push("Generator", "mine", path)

    assert all(entry["why"] for entry in refusal.value.members["tensors"])
    assert repository.count(*STORED, "tags", "versions") == 0


def test_bytes_of_another_digest_are_refused(repository: Repository) -> None:
    wrong = digest.of_bytes(b"other")

    with pytest.raises(BadInput, match="have the digest sha256:"):
        repository.client().put_blob(wrong, state_of(), SAFETENSORS)

    assert repository.count(*STORED) == 0


def test_a_blob_comes_back_as_it_went_in_and_the_same_again_is_harmless(
    repository: Repository,
) -> None:
    content = large_file((5 << 20) + 3)
    name = digest.of_bytes(content)
    headers = {"Content-Type": SAFETENSORS}

    statuses = [
        repository.send(
            "PUT", f"/v1/blobs/{name}", "learner", content=content, headers=headers
        ).status_code
        for _ in range(2)
    ]
    target = repository.client("learner").get_blob(name, to=repository.folder / "back")

    assert statuses == [201, 200]
    assert target.read_bytes() == content
    assert repository.count("blobs", "blob_contents") == 2
    assert repository.count("blob_chunks") == 6


def test_an_unknown_blob_is_not_found(repository: Repository) -> None:
    with pytest.raises(NotFound):
        repository.client().get_blob(digest.of_bytes(b""), to=repository.folder / "back")


def test_media_types_other_than_weights_and_pictures_are_refused(repository: Repository) -> None:
    content = state_of()

    answer = repository.send(
        "PUT",
        f"/v1/blobs/{digest.of_bytes(content)}",
        content=content,
        headers={"Content-Type": "application/octet-stream"},
    )

    assert answer.status_code == 415
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("content", [b"GIF89a", b"", picture()[:-1], picture() + b"x"])
def test_a_picture_that_is_no_png_is_refused(repository: Repository, content: bytes) -> None:
    with pytest.raises(BadInput, match="as a PNG does"):
        repository.client().put_blob(digest.of_bytes(content), content, PNG)

    assert repository.count(*STORED) == 0


def test_a_file_beyond_the_cap_is_refused_before_it_is_sent(repository: Repository) -> None:
    address = urlsplit(repository.url)
    head = (
        f"PUT /v1/blobs/{digest.of_bytes(b'')} HTTP/1.1\r\nHost: repository\r\n"
        f"Authorization: Bearer {TOKENS['learner']}\r\n"
        f"Content-Type: {SAFETENSORS}\r\nContent-Length: {MAX_BLOB_BYTES + 1}\r\n"
        "Expect: 100-continue\r\n\r\n"
    )

    with socket.create_connection((address.hostname, address.port)) as sending:
        sending.sendall(head.encode())
        answer = sending.recv(1000)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_file_that_turns_out_to_be_beyond_the_cap_is_refused(repository: Repository) -> None:
    content = large_file(MAX_BLOB_BYTES)

    with pytest.raises(TooLarge) as refusal:
        repository.client().put_blob(digest.of_bytes(content), content, SAFETENSORS)

    assert refusal.value.members == {"maxBytes": MAX_BLOB_BYTES}
    assert repository.count(*STORED) == 0


def test_an_upload_that_breaks_off_leaves_nothing(repository: Repository) -> None:
    content = large_file(16 << 20)
    name = digest.of_bytes(content)
    address = urlsplit(repository.url)
    head = (
        f"PUT /v1/blobs/{name} HTTP/1.1\r\nHost: repository\r\n"
        f"Authorization: Bearer {TOKENS['learner']}\r\n"
        f"Content-Type: {SAFETENSORS}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port)) as sending:
        sending.sendall(head.encode() + content[: 9 << 20])
        await_count(repository, "blob_chunks", at_least=4)
        assert repository.send("GET", f"/v1/blobs/{name}").status_code == 404

    await_count(repository, "blob_contents", at_most=0)
    assert repository.count(*STORED) == 0


def await_count(
    repository: Repository, table: str, *, at_least: int = 0, at_most: int = 1000
) -> None:
    """Ask the database again and again until a table has so many rows."""
    deadline = time.monotonic() + 30
    while not at_least <= repository.count(table) <= at_most:
        assert time.monotonic() < deadline, f"{table} has {repository.count(table)} rows"


def test_memory_does_not_grow_with_the_file(repository: Repository) -> None:
    path = repository.file(large_file(64 << 20))
    client, name = repository.client("learner"), digest.of_file(path)

    tracemalloc.start()
    try:
        client.put_blob(name, path, SAFETENSORS)
        client.get_blob(name, to=repository.folder / "back")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 24 << 20, f"{peak >> 20} MiB"


def test_many_uploads_of_the_same_bytes_at_once_make_one_blob(repository: Repository) -> None:
    content = large_file(3 << 20)
    name = digest.of_bytes(content)

    def put() -> int:
        return repository.send(
            "PUT",
            f"/v1/blobs/{name}",
            "learner",
            content=content,
            headers={"Content-Type": SAFETENSORS},
        ).status_code

    async def put_all() -> list[int]:
        return await asyncio.gather(*(asyncio.to_thread(put) for _ in range(6)))

    assert sorted(asyncio.run(put_all())) == [200] * 5 + [201]
    assert repository.count("blobs", "blob_contents") == 2
