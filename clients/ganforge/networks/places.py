"""Places in networks: ``D`` is all of network D, ``D.0`` its first module; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from ganforge.errors import UnknownName


@dataclass(frozen=True)
class Place:
    """A network, or one module of it by its position from 0."""

    network: str
    position: int | None


def find_places(names: Iterable[str], sizes: Mapping[str, int], *, key: str) -> list[Place]:
    """Find the places that people name.

    Args:
        names: such as ``Discriminator`` and ``Discriminator.0``.
        sizes: how many modules each of the job's networks has.
        key: the config key that names them, for the errors' words.

    Raises:
        UnknownName: a name of no network or no module; the words say which there are.
    """
    return [_find_place(name, sizes, key) for name in names]


def _find_place(name: str, sizes: Mapping[str, int], key: str) -> Place:
    if name in sizes:
        return Place(name, None)
    network, _, position = name.rpartition(".")
    if network in sizes and position.isdecimal() and int(position) < sizes[network]:
        return Place(network, int(position))
    if network in sizes:
        last = sizes[network] - 1
        hint = f"{network} has {network}.0 to {network}.{last}"
    else:
        near = get_close_matches(name, sizes, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the job has {', '.join(sizes)}"
    detail = f"{key}: the job has no network or module {name!r}; {hint}"
    raise UnknownName(
        detail, known=list(sizes), errors=[{"pointer": f"/config/{key}", "detail": detail}]
    )
