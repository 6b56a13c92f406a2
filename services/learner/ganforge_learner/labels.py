"""The labels a learner presents itself with, which jobs choose learners by."""

import platform
import socket
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from ganforge.errors import BadInput
from ganforge.wire.labels import Labels

_LABELS: TypeAdapter[dict[str, str]] = TypeAdapter(Labels)


def of_machine(coordinator_url: str) -> dict[str, str]:
    """Tell of this machine: its processor, its system, its address on the coordinator's side."""
    address = _address_towards(coordinator_url)
    found = {"arch": platform.machine().lower(), "os": platform.system().lower()}
    return found | ({} if address is None else {"ip": address})


def _address_towards(url: str) -> str | None:
    """Find the address by which packets to a server leave; None when there is no way to it."""
    host = urlsplit(url).hostname
    try:
        kind, *_, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            probe.connect(address)  # sends nothing: UDP has no connections
            return str(probe.getsockname()[0])
    except (OSError, UnicodeError):  # the latter: no name can be like this
        return None


def parse(text: str) -> dict[str, str]:
    """Read labels given as ``pool=blue,zone=2``.

    Raises:
        BadInput: they are not of this form.
    """
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    for key, equals, _ in pairs:
        if not equals:
            raise BadInput(f"label {key.strip()!r}: write labels as pool=blue,zone=2")
    try:
        return _LABELS.validate_python({key.strip(): value.strip() for key, _, value in pairs})
    except ValidationError as error:
        raise BadInput(
            f"labels: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
        ) from error
