import pytest

from ganforge import digest
from ganforge._transport import Transport
from ganforge.errors import BadWeights, Unreachable
from ganforge.repository import RepositoryClient
from tests.repository.conftest import TOKENS, Repository
from tests.repository.cutting_proxy import cutting
from tests.repository.files import large_file, weights_of


def test_pulled_weights_are_those_that_were_pushed(repository: Repository) -> None:
    content = weights_of("Generator")
    repository.client().push("Generator", "mine", repository.file(content))
    told: list[tuple[int, int]] = []
    target = repository.folder / "pulled.safetensors"

    path = repository.client("read").pull(
        "Generator", "mine", to=target, progress=lambda done, total: told.append((done, total))
    )

    assert path == target
    assert path.read_bytes() == content
    assert told[-1] == (len(content), len(content))
    assert [file.name for file in repository.folder.glob(".*")] == []


def test_what_breaks_off_goes_on_where_it_broke(repository: Repository) -> None:
    content = large_file(5 << 20)
    name = repository.put(content)
    with cutting(repository.url, cut_after=1_500_000) as proxy:
        transport = Transport(proxy.url, TOKENS["learner"])
        told: list[int] = []

        path = RepositoryClient(transport).get_blob(
            name, to=repository.folder / "back", progress=lambda done, _: told.append(done)
        )
        transport.close()

    assert path.read_bytes() == content
    assert proxy.cuts >= 3
    assert told == sorted(told)


def test_a_pull_goes_on_from_what_an_earlier_one_left(repository: Repository) -> None:
    content = large_file(3 << 20)
    name = repository.put(content)
    part = repository.folder / f".back.{name[7:23]}.part"
    part.write_bytes(content[:-10])
    told: list[int] = []

    path = repository.client("learner").get_blob(
        name, to=repository.folder / "back", progress=lambda done, _: told.append(done)
    )

    assert told == [len(content)]
    assert path.read_bytes() == content
    assert not part.exists()


def test_bytes_that_are_not_the_versions_are_never_put_in_place(repository: Repository) -> None:
    content = large_file(1 << 20)
    name = repository.put(content)
    target = repository.folder / "back"
    part = repository.folder / f".back.{name[7:23]}.part"
    part.write_bytes(b"x" * 1000)

    with pytest.raises(BadWeights, match="pull again"):
        repository.client("learner").get_blob(name, to=target)

    assert not target.exists()
    assert not part.exists()
    assert repository.client("learner").get_blob(name, to=target).read_bytes() == content


def test_a_line_that_never_lets_a_byte_through_is_given_up(repository: Repository) -> None:
    name = repository.put(large_file(1 << 20))
    head = repository.send("HEAD", f"/v1/blobs/{name}")
    assert digest.is_digest(head.headers["ETag"].strip('"'))
    with cutting(repository.url, cut_after=800) as proxy:
        transport = Transport(proxy.url, TOKENS["learner"])

        with pytest.raises(Unreachable):
            RepositoryClient(transport).get_blob(name, to=repository.folder / "back")
        transport.close()
