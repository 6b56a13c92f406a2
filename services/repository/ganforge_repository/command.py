"""The ``ganforge repository`` command."""

from pathlib import Path
from typing import Any

import click

from ganforge_chassis import serving
from ganforge_repository.app import create_app
from ganforge_repository.settings import RepositorySettings


@click.command()
@click.option("--host", help="Address to listen on.", show_default="127.0.0.1")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one.")
@click.option("--data", type=click.Path(path_type=Path), help="The data folder.")
@click.option("--database-url", help="SQLite or PostgreSQL; repository.db in the data folder.")
def repository(
    host: str | None, port: int | None, data: Path | None, database_url: str | None
) -> None:
    """Serve the repository: networks, weights and snapshots."""
    given: dict[str, Any] = {
        "host": host,
        "port": port,
        "data": data,
        "database_url": database_url,
    }
    settings = RepositorySettings(
        **{name: value for name, value in given.items() if value is not None}
    )
    listening = serving.listen(settings.host, settings.port)
    app = create_app(settings)
    click.echo(f"repository at {serving.url_of(listening)}", err=True)
    serving.serve(app, listening)
