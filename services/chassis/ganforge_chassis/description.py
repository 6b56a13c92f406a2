"""What OpenAPI tells besides the types: examples, headers of answers, links between calls."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

import ganforge

Json = dict[str, Any]

ALWAYS: dict[str, tuple[str, str]] = {
    "ETag": ("the entity tag (RFC 9110, section 8.8.3)", '"5b1f0c7a9e3d4f26a8c17d60b2e4935f"'),
    "Location": ("where what was made is", "/v1/jobs/4xh2k9d0qz7m"),
    "Cache-Control": ("how long it may be kept, and by whom", "private, no-cache"),
}
"""Headers that an answer which declares them always has: what they say, an example."""

SOMETIMES: dict[str, tuple[str, str]] = {
    "Preference-Applied": ("how long was waited, where it was (RFC 7240)", "wait=25"),
    "Link": (
        "the next page, where there is one (RFC 8288)",
        '</v1/learners?pageToken=a>; rel="next"',
    ),
    "Content-Range": ("which bytes these are", "bytes 0-1023/318464"),
    "Repr-Digest": ("the SHA-256 of all bytes (RFC 9530)", "sha-256=:AAECAwQFBgc=:"),
    "Retry-After": ("seconds to wait before asking again, with 503 and some 409", "1"),
    "WWW-Authenticate": ("which token is wanted, with 401 and 403 (RFC 6750)", "Bearer"),
    "Allow": ("the methods there are, with 405", "GET, HEAD, POST"),
}
"""Headers that an answer which declares them may have."""

_OF_PROBLEMS = ("Retry-After", "WWW-Authenticate", "Allow")
_METHODS = ("get", "put", "post", "patch", "delete")


@dataclass(frozen=True)
class Description:
    """What one service adds to its OpenAPI document.

    Args:
        examples: one of each type that crosses the wire; requests and answers alike.
        said: the answers, by operation id, that are of no such type.
        headers: the headers of the answers that are no problem, by operation id.
        links: by the name of an answer's type, with ``[]`` behind it for a list of them: where the
            answer has what the path of another call asks for, as runtime expressions.
        unlinked: ids of operations that no link leads to, since what they give may not be there.
    """

    examples: Sequence[BaseModel] = ()
    said: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unlinked: Collection[str] = ()


_SHARED: Mapping[str, Any] = {
    "livez": "ok",
    "readyz": {"ready": True},
    "metrics": 'ganforge_database_up{service="coordinator"} 1.0\n',
    "version": {"service": "ganforge coordinator", "version": ganforge.__version__},
}


def install(app: FastAPI, description: Description) -> None:
    """Have the app's OpenAPI document tell of ``description`` too."""
    plain = app.openapi

    def openapi() -> Json:
        if app.openapi_schema is None:
            _Writer(plain(), description).write()
        return plain()

    app.openapi = openapi  # type: ignore[method-assign]


class _Writer:
    """Writes a description into an OpenAPI document.

    Args:
        document: the document, which is changed.
        description: what is written into it.
    """

    def __init__(self, document: Json, description: Description) -> None:
        self._description = description
        self._components: Json = document.setdefault("components", {})
        self._operations = [
            (path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if method in _METHODS
        ]
        self._known = {
            type(example).__name__: example.model_dump(
                mode="json", by_alias=True, exclude_unset=True
            )
            for example in description.examples
        }

    def write(self) -> None:
        """Write all of it."""
        for _, operation in self._operations:
            for content in _contents(operation.get("requestBody", {})):
                self._exemplify(content)
            for status, answer in operation["responses"].items():
                if status == "default":
                    answer["headers"] = {name: _header(name) for name in _OF_PROBLEMS}
                else:
                    self._write_answer(operation, answer, status)
                    self._link(operation, answer, status)

    def _write_answer(self, operation: Json, answer: Json, status: str) -> None:
        name = operation["operationId"]
        said = {**_SHARED, **self._description.said}.get(name)
        for content in _contents(answer):
            self._exemplify(content, said)
        if told := self._headers_of(name, status):
            answer["headers"] = {header: _header(header) for header in told}

    def _headers_of(self, name: str, status: str) -> list[str]:
        """Give the headers that an answer has: a Location is of what was made."""
        told = self._description.headers.get(name, ())
        return [header for header in told if header != "Location" or status == "201"]

    def _exemplify(self, content: Json, said: Any = None) -> None:
        example = self._example(content.get("schema", {})) if said is None else said
        if example is not None:
            content["example"] = example

    def _example(self, schema: Json) -> Any:
        name = type_of(schema)
        if name.endswith("[]"):
            one = self._known.get(name.removesuffix("[]"))
            return None if one is None else [one]
        return self._known.get(name)

    def _link(self, operation: Json, answer: Json, status: str) -> None:
        """Link an answer to every call whose path can be told from it."""
        if status == "304":
            return
        found = [type_of(content.get("schema", {})) for content in _contents(answer)]
        known = self._description.links.get(found[0] if found else "", {})
        for other_path, other in self._operations:
            asked = re.findall(r"{(\w+)}", other_path)
            if other is operation or not asked or not set(asked) <= set(known):
                continue
            if other["operationId"] in self._description.unlinked:
                continue
            name = f"{found[0].replace('[]', 's')}To{other['operationId'][0].upper()}"
            name += other["operationId"][1:]
            parameters = {parameter: known[parameter] for parameter in asked}
            if "ETag" in answer.get("headers", ()) and (header := _if_match(other)):
                parameters[header] = "$response.header.ETag"
                name += "IfMatch"
            links: Json = self._components.setdefault("links", {})
            links[name] = {"operationId": other["operationId"], "parameters": parameters}
            told = answer.setdefault("links", {})
            told[other["operationId"]] = {"$ref": f"#/components/links/{name}"}


def type_of(schema: Json) -> str:
    """Name the type of a schema that refers to one, or to a list of one; else nothing."""
    if schema.get("type") == "array":
        inner = type_of(schema.get("items", {}))
        return f"{inner}[]" if inner else ""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _contents(part: Json) -> Iterator[Json]:
    yield from part.get("content", {}).values()


def _header(name: str) -> Json:
    meaning, example = {**ALWAYS, **SOMETIMES}[name]
    schema = {"type": "string"}
    told = {"description": meaning, "schema": schema, "example": example}
    return {**told, "required": True} if name in ALWAYS else told


def _if_match(operation: Json) -> str | None:
    """Give the name, as it is written there, of the operation's If-Match; None without one."""
    names = (parameter["name"] for parameter in operation.get("parameters", ()))
    return next((name for name in names if name.lower() == "if-match"), None)
