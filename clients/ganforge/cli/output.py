"""What commands print: data to stdout, talk to stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ganforge.wire.model import WireModel


def say(text: str) -> None:
    """Talk to the user, beside the data."""
    click.echo(text, err=True)


def show_json(data: Any, *, indent: int | None = 2) -> None:
    """Print one JSON object; without ``indent`` it is one line of a stream."""
    click.echo(json.dumps(_plain(data), indent=indent, ensure_ascii=False))


def show_items(items: "Iterable[WireModel]") -> None:
    """Print a list as one JSON object, like the server's own lists."""
    show_json({"items": [_plain(item) for item in items]})


def show_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print columns wide enough for what is in them."""
    lines = [list(heads), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def age(moment: datetime) -> str:
    """Say how long ago something was, roughly: 12 s, 5 min, 3 h, 2 d."""
    seconds = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def duration(seconds: float) -> str:
    """Say a length of time as on a clock: 0:07, 1:02:03."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(size_bytes: int) -> str:
    """Say how many bytes there are, in a unit that suits."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def is_terminal() -> bool:
    """Tell whether somebody reads along on stderr."""
    return sys.stderr.isatty()


def _plain(data: Any) -> Any:
    return data.model_dump(mode="json") if hasattr(data, "model_dump") else data


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:.3f}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return str(cell)
