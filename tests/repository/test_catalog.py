from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganforge import digest
from ganforge.errors import (
    BadInput,
    Conflict,
    IdempotencyKeyReused,
    NetworkMisfit,
    NotFound,
)
from ganforge.wire.weights import Source, VersionRef
from ganforge_repository.naming import unknown
from tests.repository.conftest import Repository
from tests.repository.files import DEFINITIONS, weights_of


def push(repository: Repository, seed: int = 0, tag: str = "mine") -> None:
    repository.client().push("Generator", tag, repository.file(weights_of("Generator", seed)))


def test_a_fresh_repository_holds_the_builtin_networks(repository: Repository) -> None:
    networks = list(repository.client("read").networks())

    assert [network.name for network in networks] == sorted(DEFINITIONS)
    assert all(network.parameters > 0 for network in networks)


def test_a_network_is_defined_once_and_the_same_again_changes_nothing(
    repository: Repository,
) -> None:
    client = repository.client("submit")
    definition = client.network("Generator").definition | {"name": "Mine"}

    made = client.put_network("Mine", definition)
    again = repository.send("PUT", "/v1/networks/Mine", json=definition)

    assert again.status_code == 200
    assert again.headers["ETag"] == f'"{made.etag}"'
    assert again.json() == made.model_dump(mode="json")
    assert made.definition == definition
    unchanged = repository.send(
        "GET", "/v1/networks/Mine", headers={"If-None-Match": f'"{made.etag}"'}
    )
    assert unchanged.status_code == 304


def test_a_network_with_weights_keeps_its_tensors(repository: Repository) -> None:
    client = repository.client("submit")
    generator, other = (client.network(name).definition for name in ("Generator", "Discriminator"))
    push(repository)

    with pytest.raises(Conflict, match="Generator has weights"):
        client.put_network("Generator", other | {"name": "Generator"})

    client.put_network("Generator", generator | {"description": "other words"})
    client.put_network("Free", generator | {"name": "Free"})
    assert client.put_network("Free", other | {"name": "Free"}).parameters != 0


def test_a_network_is_changed_only_when_it_is_what_the_caller_believes(
    repository: Repository,
) -> None:
    definition = repository.client().network("Generator").definition

    stale = repository.send(
        "PUT", "/v1/networks/Generator", json=definition, headers={"If-Match": '"sha256:old"'}
    )
    taken = repository.send(
        "PUT", "/v1/networks/Generator", json=definition, headers={"If-None-Match": "*"}
    )

    assert (stale.status_code, taken.status_code) == (412, 412)
    assert stale.headers["Content-Type"] == "application/problem+json"


def test_nonsense_is_no_network(repository: Repository) -> None:
    definition = repository.client().network("Generator").definition

    with pytest.raises(BadInput):
        repository.client().put_network("Mine", {"nonsense": True})
    with pytest.raises(BadInput):
        repository.client().put_network("not a name", definition)
    with pytest.raises(BadInput, match="is called Generator, but was sent to Mine"):
        repository.client().put_network("Mine", definition)
    broken = definition | {"name": "Mine", "input": [1, 28, 28]}
    with pytest.raises(NetworkMisfit, match="module 0"):
        repository.client().put_network("Mine", broken)


def put_modules(repository: Repository, modules: str) -> httpx.Response:
    """Define a network of these modules, as JSON."""
    return repository.send(
        "PUT",
        "/v1/networks/Mine",
        content='{"name": "Mine", "input": [4], "modules": [' + modules + "]}",
        headers={"Content-Type": "application/json"},
    )


def nested(depth: int) -> str:
    return '{"type": "Residual", "body": [' * depth + '{"type": "Linear", "out": 3}' + "]}" * depth


def test_a_module_within_others_that_does_not_fit_is_named(repository: Repository) -> None:
    answer = put_modules(repository, nested(2))
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/network-misfit")
    assert answer.json()["detail"] == (
        "Mine, module 0.body.0 (Residual): the body gives 3 but the shortcut 4: "
        "let both give the same shape"
    )


def test_a_wrong_field_of_a_module_within_others_is_named(repository: Repository) -> None:
    answer = put_modules(repository, nested(2).replace("3", "0"))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].endswith("/body/0/Linear/out")


@pytest.mark.parametrize(
    ("modules", "status", "words"),
    [
        (nested(9), 422, "is within more than 7 others"),
        (nested(300), 422, "is within more than 7 others"),
        (nested(50_000), 422, "nested too deeply"),
        ('{"type": "Concat", "branches": [' + ", ".join(["[]"] * 50_000) + "]}", 422, "than 1000"),
    ],
    ids=("deep", "deeper", "deepest", "wide"),
)
def test_a_sprawling_network_is_refused_in_words(
    repository: Repository, modules: str, status: int, words: str
) -> None:
    answer = put_modules(repository, modules)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_an_unknown_name_is_answered_with_the_nearest_known(repository: Repository) -> None:
    client = repository.client("read")
    push(repository)

    with pytest.raises(NotFound, match="did you mean Generator"):
        client.network("Generatr")
    with pytest.raises(NotFound, match="did you mean Generator"):
        list(client.tags("Generatr"))
    with pytest.raises(NotFound, match="did you mean mine") as missing:
        list(client.versions("Generator", "mime"))
    assert missing.value.members == {"known": ["mine"]}
    with pytest.raises(NotFound, match="they go from 1 to 1"):
        client.version("Generator", "mine", 7)
    with pytest.raises(NotFound, match="there are none yet"):
        client.version("Discriminator", "mine")
    with pytest.raises(BadInput):
        client.version("Generator", "mine", "newest")


@given(name=st.text(max_size=10), known=st.lists(st.text(max_size=10), max_size=15))
def test_every_unknown_name_can_be_spoken_of(name: str, known: list[str]) -> None:
    assert unknown("network", name, known).startswith(f"there is no network {name}: ")


def test_weights_from_elsewhere_become_the_next_version(repository: Repository) -> None:
    client = repository.client("submit")
    content = weights_of("Generator")

    answer = repository.send(
        "POST",
        "/v1/networks/Generator/tags/mine/versions",
        "submit",
        content=content,
        headers={"Content-Type": "application/octet-stream"},
    )
    push(repository, seed=1)

    assert answer.status_code == 201
    assert answer.headers["Location"] == "/v1/networks/Generator/tags/mine/versions/1"
    first = client.version("Generator", "mine", 1)
    assert first.model_dump(mode="json") == answer.json()
    assert first.digest == digest.of_bytes(content)
    assert first.size_bytes == len(content)
    assert (first.source, first.parent, first.job) == (Source.PUSH, None, None)
    assert first.created_at.utcoffset() is not None
    assert {tensor.dtype for tensor in first.tensors} <= {"F32", "I64"}
    assert client.version("Generator", "mine").version == 2


def test_weights_in_an_unknown_format_are_refused(repository: Repository) -> None:
    answer = repository.send(
        "POST", "/v1/networks/Generator/tags/mine/versions", content=b"x", headers={}
    )

    assert answer.status_code == 415
    assert "application/vnd.safetensors" in answer.json()["detail"]


def test_an_idempotency_key_makes_one_version(repository: Repository) -> None:
    client = repository.client()
    path = repository.file(weights_of("Generator"))

    made = [client.push("Generator", "mine", path, key="once") for _ in range(3)]

    assert made[0] == made[1] == made[2]
    with pytest.raises(IdempotencyKeyReused):
        client.push("Generator", "mine", repository.file(weights_of("Generator", 1)), key="once")
    assert client.version("Generator", "mine").version == 1


def test_pushes_from_many_threads_are_numbered_without_gaps(repository: Repository) -> None:
    client = repository.client()
    paths = [repository.file(weights_of("Generator", seed), f"{seed}") for seed in range(8)]

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda path: client.push("Generator", "mine", path).version, paths))

    assert sorted(made) == list(range(1, 9))
    assert [one.version for one in client.versions("Generator", "mine")] == list(range(8, 0, -1))


def test_lists_come_in_pages(repository: Repository) -> None:
    for seed in range(5):
        push(repository, seed)
    path, numbers, token = "/v1/networks/Generator/tags/mine/versions", [], None

    while True:
        params = {"pageSize": 2, "pageToken": token} if token else {"pageSize": 2}
        page = repository.send("GET", path, params=params).json()
        numbers.append([item["version"] for item in page["items"]])
        token = page["nextPageToken"]
        if token is None:
            break

    assert numbers == [[5, 4], [3, 2], [1]]
    for wrong in ({"pageToken": "nonsense"}, {"pageSize": 0}, {"pageToken": "InRleHQi"}):
        assert repository.send("GET", path, params=wrong).status_code == 422


def test_promoting_copies_no_bytes(repository: Repository) -> None:
    push(repository)
    push(repository, seed=1)
    before = repository.count("blobs", "blob_chunks")
    client = repository.client("submit")

    made = client.promote("Generator", "best", from_tag="mine", from_version=1)
    again = client.promote("Generator", "best", from_tag="mine", from_version=1)
    latest = client.promote("Generator", "best", from_tag="mine")

    source = client.version("Generator", "mine", 1)
    assert (made.version, made.digest, made.source) == (1, source.digest, Source.PROMOTE)
    assert made.parent == VersionRef(tag="mine", version=1)
    assert again == made
    assert (latest.version, latest.parent) == (2, VersionRef(tag="mine", version=2))
    assert repository.count("blobs", "blob_chunks") == before
    assert {tag.tag: tag.latest_version for tag in client.tags("Generator")} == {
        "best": 2,
        "mine": 2,
    }
    with pytest.raises(NotFound):
        client.promote("Generator", "best", from_tag="mine", from_version=9)
    with pytest.raises(NotFound):
        client.promote("Generator", "new", from_tag="nowhere", from_version=1)
    assert "new" not in {tag.tag for tag in client.tags("Generator")}


def test_each_role_reaches_as_far_as_it_should(repository: Repository) -> None:
    versions = "/v1/networks/Generator/tags/mine/versions"
    calls = [
        ("GET", "/v1/networks", {"read", "submit", "learner", "admin"}),
        ("GET", f"{versions}/1/weights", {"read", "submit", "learner", "admin"}),
        ("HEAD", f"{versions}/1/weights", {"read", "submit", "learner", "admin"}),
        ("GET", "/v1/snapshots/job", {"read", "submit", "learner", "admin"}),
        ("PUT", "/v1/networks/Generator", {"submit", "admin"}),
        ("POST", versions, {"submit", "admin"}),
        ("PUT", "/v1/networks/Generator/tags/best", {"submit", "admin"}),
        ("PUT", f"/v1/blobs/{digest.of_bytes(b'')}", {"learner", "admin"}),
        ("GET", f"/v1/blobs/{digest.of_bytes(b'')}", {"learner", "admin"}),
        ("POST", "/v1/snapshots/job/open", {"learner", "admin"}),
        ("POST", "/v1/snapshots/job", {"learner", "admin"}),
    ]

    for method, path, roles in calls:
        for role in ("read", "submit", "learner", "admin"):
            status = repository.send(method, path, role).status_code
            assert (status not in (401, 403)) == (role in roles), (method, path, role, status)
        assert repository.http.request(method, path).status_code == 401


def test_every_call_is_described(repository: Repository) -> None:
    document = repository.http.get("/openapi.json").json()

    operations = [
        operation
        for path, calls in document["paths"].items()
        if path.startswith("/v1")
        for operation in calls.values()
    ]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["description"]
        assert operation["responses"]["default"]["content"] == {
            "application/problem+json": operation["responses"]["default"]["content"][
                "application/problem+json"
            ]
        }
