"""The ``ganforge coordinator`` command."""

from pathlib import Path
from typing import Any

import click

from ganforge.cli import logs
from ganforge_chassis import serving
from ganforge_coordinator.app import create_app
from ganforge_coordinator.settings import CoordinatorSettings


@click.command()
@click.option("--host", help="Address to listen on.", show_default="127.0.0.1")
@click.option("--port", type=int, help="Port to listen on; 0 takes a free one.")
@click.option("--data", type=click.Path(path_type=Path), help="The data folder.")
@click.option("--database-url", help="SQLite or PostgreSQL; coordinator.db in the data folder.")
@click.option("--repository-url", help="Where networks are checked when a job is submitted.")
@click.option("--repository-token", help="A token for that; better set it in the environment.")
def coordinator(**given: Any) -> None:
    """Serve the coordinator: jobs, leases, progress, events."""
    settings = CoordinatorSettings(
        **{name: value for name, value in given.items() if value is not None}
    )
    logs.configure()
    listening = serving.listen(settings.host, settings.port)
    app = create_app(settings)
    click.echo(f"coordinator at {serving.url_of(listening)}", err=True)
    serving.serve(app, listening)
