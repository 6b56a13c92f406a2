"""Points of progress as a stream of Apache Arrow's IPC format."""

from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from typing import Any

import nanoarrow
import numpy as np
from nanoarrow.ipc import StreamWriter

from ganforge_coordinator.columns import Columns

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
ITERATION = "iteration"


def write(names: Sequence[str], parts: Iterable[Columns]) -> Iterator[bytes]:
    """Write points as one record batch for each part, as they come.

    Args:
        names: all series that the parts may have; one that a part lacks is NaN there.
        parts: the points.
    """
    schema = _schema(names)
    written = BytesIO()
    with StreamWriter.from_writable(written) as writer:
        writer.write_stream(nanoarrow.c_array_stream([], schema))
        yield _taken(written)
        for part in parts:
            writer.write_array(_batch(schema, names, part))
            yield _taken(written)
    yield _taken(written)


def _schema(names: Sequence[str]) -> Any:
    # A list and no mapping: a strategy may well call one of its losses "iteration".
    fields = [(ITERATION, nanoarrow.int64()), *((name, nanoarrow.float32()) for name in names)]
    named = [nanoarrow.c_schema(kind).modify(name=name) for name, kind in fields]
    return nanoarrow.struct(named, nullable=False)


def _taken(written: BytesIO) -> bytes:
    """Take what was written, so that memory holds one part at a time."""
    taken = written.getvalue()
    written.seek(0)
    written.truncate()
    return taken


def _batch(schema: Any, names: Sequence[str], part: Columns) -> Any:
    columns = (np.ascontiguousarray(part.column(name)) for name in names)
    children = [nanoarrow.c_array(part.iterations, nanoarrow.int64())]
    children += [nanoarrow.c_array(column, nanoarrow.float32()) for column in columns]
    return nanoarrow.c_array_from_buffers(schema, len(part), [None], children=children)
