"""Config as people type it: ``key=value``."""

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn

_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def parse(pairs: Iterable[str]) -> dict[str, Any]:
    """Read ``key=value`` pairs.

    Raises:
        ValueError: one of them is no pair, or a key comes twice; the words say which.
    """
    config: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise ValueError(f"{pair!r} is not of the form key=value")
        if key in config:
            raise ValueError(f"{key} is given twice")
        config[key] = value(text)
    return config


def value(text: str) -> Any:
    """Read a value: JSON where it is JSON, a boolean where it reads as one, else the text."""
    if (boolean := _BOOLEANS.get(text.lower())) is not None:
        return boolean
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except ValueError:
        return text


def _finite(number: str) -> float:
    # 1e400 is JSON, and Python reads it as infinite.
    return float(number) if math.isfinite(float(number)) else _refuse(number)


def _refuse(constant: str) -> NoReturn:
    # Python reads NaN and Infinity, which are no JSON and which no server would take.
    raise ValueError(constant)
