"""What random requests would never hit upon: a job that can be learnt, a file of weights.

Half of the bodies stay as they were drawn. Of the others a part that its schema allows gives way to
one that it allows too, so what was drawn to be refused still is.
"""

import re
from typing import Any

import schemathesis
from hypothesis import strategies as st

from ganforge.wire.weights import PNG, SAFETENSORS
from tests.repository.files import picture, weights_of

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_FILES = [weights_of("Generator"), weights_of("Discriminator"), b"", picture(3)]

schemathesis.openapi.media_type(SAFETENSORS, st.sampled_from(_FILES) | st.binary(max_size=999))
schemathesis.openapi.media_type(PNG, st.sampled_from(_FILES) | st.binary(max_size=999))


def a_job_that_can_be_learnt(context: Any, body: Any) -> st.SearchStrategy[Any]:
    """Name what the coordinator knows."""
    if not isinstance(body, dict):
        return st.just(body)
    known = {name: value for name, value in body.items() if not _is_replaced(name, value)}
    mended = {"networks": ["Generator", "Discriminator"], "dataset": "MNIST"} | known
    return st.sampled_from([body, mended])


def _is_replaced(name: str, value: Any) -> bool:
    """Tell whether a part is allowed by its schema, and would be refused for what it means."""
    match name, value:
        case "networks", list():
            return 1 <= len(value) <= 8 and all(_is_name(each) for each in value)
        case "targetCount", int():
            return 1 <= value <= 64 and not isinstance(value, bool)
        case "targetFilter", str():
            return 1 <= len(value) <= 4096
        case "dataset", _:
            return value is None or _is_name(value)
        case "networks" | "targetFilter", None:
            return True
    return name == "config" and isinstance(value, dict)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


_of_bodies: Any = schemathesis.hook("flatmap_body")
_of_bodies.apply_to(operation_id="submitJob")(a_job_that_can_be_learnt)
