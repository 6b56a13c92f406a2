"""Networks: named architectures, whose tensors never change once there are weights."""

import json
from typing import Any

from sqlalchemy import Connection, Row, exists, select, update

from ganforge import digest
from ganforge.errors import BadInput, Conflict, NotFound
from ganforge.networks import BUILTIN, NetworkDefinition, infer
from ganforge.wire.averages import average_of
from ganforge.wire.weights import NetworkSummary
from ganforge_chassis.clock import now_ms
from ganforge_repository import naming, network_plugins
from ganforge_repository.db.models import networks, versions
from ganforge_repository.db.queries import insert_new, moment
from ganforge_repository.fit import Signature

KNOWN_SHOWN = 50


def seed(connection: Connection) -> None:
    """Put the built-in networks and those of plug-ins there, but for those there already."""
    for definition in (*BUILTIN, *network_plugins.definitions()):
        insert_new(connection, networks, **_columns(definition), **_born())


def listing(connection: Connection, *, after: str | None, limit: int) -> list[NetworkSummary]:
    """List networks by name, beginning behind ``after``."""
    query = select(networks).order_by(networks.c.name).limit(limit)
    if after is not None:
        query = query.where(networks.c.name > after)
    return [_summary(row) for row in connection.execute(query)]


def show(connection: Connection, name: str) -> NetworkSummary:
    """Tell of one network.

    Raises:
        NotFound: there is none of this name.
    """
    return _summary(find(connection, name))


def put(connection: Connection, name: str, definition: NetworkDefinition) -> bool:
    """Define a network or define it anew; tell whether it is new.

    Raises:
        BadInput: the definition makes no sense, or has another name.
        Conflict: there are weights, and they would not fit any more.
    """
    if definition.name != name:
        raise BadInput(f"the definition is called {definition.name}, but was sent to {name}")
    columns = _columns(definition)
    if insert_new(connection, networks, **columns, **_born()):
        return True
    stored = find(connection, name, lock=True)
    if columns["digest"] == stored.digest:
        return False
    has_versions = select(exists().where(versions.c.network == name))
    if connection.execute(has_versions).scalar() and expected(stored) != _tensors(definition):
        raise Conflict(
            f"{name} has weights, which the new definition's tensors would not fit: "
            "keep its tensors, or give the new network another name"
        )
    changed = update(networks).where(networks.c.name == name)
    connection.execute(changed.values(**columns, updated_at=now_ms()))
    return False


def define_average(connection: Connection, network: str) -> None:
    """Define the moving average of a network alike, when there is none of its name.

    Raises:
        NotFound: there is no such network.
    """
    name = average_of(network)
    if connection.scalar(select(exists().where(networks.c.name == name))):
        return
    definition = NetworkDefinition.model_validate(find(connection, network).definition)
    told = {"name": name, "description": f"moving average of the weights of {network}"}
    average = NetworkDefinition.model_validate({**definition.model_dump(), **told})
    insert_new(connection, networks, **_columns(average), **_born())


def find(connection: Connection, name: str, *, lock: bool = False, share: bool = False) -> Row[Any]:
    """Find a network's row.

    Args:
        connection: the transaction.
        name: the network's name.
        lock: keep others from reading it with ``share`` until the transaction ends.
        share: keep the definition from changing until the transaction ends.

    Raises:
        NotFound: there is none of this name.
    """
    query = select(networks).where(networks.c.name == name)
    if lock or share:
        query = query.with_for_update(read=share)
    row = connection.execute(query).one_or_none()
    if row is None:
        known = names(connection)
        raise NotFound(naming.unknown("network", name, known), known=known[:KNOWN_SHOWN])
    return row


def etag(connection: Connection, name: str) -> str | None:
    """Tell the digest of a network's definition, and keep it until the transaction ends.

    Returns:
        None when there is no such network.
    """
    query = select(networks.c.digest).where(networks.c.name == name)
    return connection.scalar(query.with_for_update())


def names(connection: Connection) -> list[str]:
    """List the names of all networks."""
    return list(connection.scalars(select(networks.c.name).order_by(networks.c.name)))


def expected(row: Row[Any]) -> Signature:
    """Tell the tensors that the weights of a network hold."""
    return _tensors(NetworkDefinition.model_validate(row.definition))


def _tensors(definition: NetworkDefinition) -> Signature:
    return {
        name: (str(dtype), tuple(shape))
        for name, (dtype, shape) in infer(definition).tensors.items()
    }


def _columns(definition: NetworkDefinition) -> dict[str, Any]:
    document = definition.model_dump(mode="json")
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return {
        "name": definition.name,
        "definition": document,
        "digest": digest.of_bytes(canonical.encode()),
        "parameters": infer(definition).parameters,
    }


def _born() -> dict[str, Any]:
    return {"created_at": now_ms(), "updated_at": now_ms()}


def _summary(row: Row[Any]) -> NetworkSummary:
    return NetworkSummary(
        name=row.name,
        definition=row.definition,
        parameters=row.parameters,
        etag=row.digest,
        created_at=moment(row.created_at),
        updated_at=moment(row.updated_at),
    )
