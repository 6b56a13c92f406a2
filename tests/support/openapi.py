"""What every service's OpenAPI document is held to."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from ganforge_chassis.description import ALWAYS, SOMETIMES, type_of

METHODS = ("get", "put", "post", "patch", "delete")
BINARY = re.compile("safetensors|image/|arrow")
Json = dict[str, Any]


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """Give each operation with its method and path."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def check_ids(document: Json, snapshot: Path) -> None:
    """Hold the operations to those that clients were written against, one to a line."""
    found = [f"{told['operationId']} {name}" for name, told in operations(document)]
    assert sorted(found) == snapshot.read_text().splitlines(), (
        f"an operation was added, changed or taken away: {snapshot.name} is what clients rely on"
    )


def check_examples(document: Json) -> None:
    """Find an example of each request and answer that is text, and hold it to its schema."""
    for name, operation in operations(document):
        answers = [told for status, told in operation["responses"].items() if status != "default"]
        for part in (operation.get("requestBody", {}), *answers):
            for media_type, content in part.get("content", {}).items():
                if BINARY.search(media_type):
                    continue
                assert "example" in content, (name, media_type)
                whole = {**content["schema"], "components": document["components"]}
                Draft202012Validator(whole).validate(content["example"])


def check_links(document: Json, *wanted: tuple[str, str]) -> None:
    """Hold links to operations there are, and find those from one operation to another."""
    by_id = {told["operationId"]: (name, told) for name, told in operations(document)}
    found = set()
    for source, (_, operation) in by_id.items():
        for answer in operation["responses"].values():
            for name, link in answer.get("links", {}).items():
                told = document["components"]["links"][link["$ref"].rpartition("/")[2]]
                assert told["operationId"] == name
                target, of_target = by_id[name]
                asked = set(re.findall(r"{(\w+)}", target))
                known = {parameter["name"] for parameter in of_target["parameters"]}
                assert set() < asked <= set(told["parameters"]) <= known, (source, target)
                found.add((source, name))
    assert set(wanted) <= found


def check_headers(document: Json) -> None:
    """Hold headers to a meaning, and the entity tag to be told by all that tell of a job."""
    for name, operation in operations(document):
        for status, answer in operation["responses"].items():
            for header, told in answer.get("headers", {}).items():
                assert told["description"]
                assert told.get("required", False) is (header in ALWAYS), (name, header)
                assert header in ALWAYS or header in SOMETIMES
            if status == "default":
                assert "Retry-After" in answer["headers"], name
            types = {type_of(told.get("schema", {})) for told in answer.get("content", {}).values()}
            if types & {"Job", "NetworkSummary"}:
                assert "ETag" in answer["headers"], name
