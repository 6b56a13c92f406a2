"""The repository's OpenAPI description is whole, and keeps its operation ids."""

from pathlib import Path
from typing import Any

import pytest

from tests.repository.conftest import Repository
from tests.support import openapi


@pytest.fixture
def document(repository: Repository) -> dict[str, Any]:
    told: dict[str, Any] = repository.http.get("/openapi.json").json()
    return told


def test_the_description_is_whole_and_keeps_its_operation_ids(document: dict[str, Any]) -> None:
    openapi.check_ids(document, Path(__file__).with_name("operations.txt"))
    openapi.check_examples(document)
    openapi.check_headers(document)
    of_version = ("getVersion", "getWeights", "promote", "diffVersions")
    openapi.check_links(
        document,
        *(("pushVersion", name) for name in of_version),
        ("putBlob", "getBlob"),
        ("openEpoch", "commitSnapshot"),
        ("commitSnapshot", "getSnapshot"),
        ("putNetwork", "listTags"),
    )
