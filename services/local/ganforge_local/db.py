"""The ``ganforge db`` commands: look after the databases of both services."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from sqlalchemy import MetaData, make_url
from sqlalchemy.exc import DBAPIError

from ganforge.cli import exits
from ganforge.cli.application import Suggesting
from ganforge.cli.connection import json_option
from ganforge.cli.output import is_terminal, say, show_json, show_table, size
from ganforge.errors import NotFound
from ganforge_chassis import backup as backups
from ganforge_chassis import condition, migrations
from ganforge_chassis.condition import Condition, sqlite_file
from ganforge_chassis.migrations import Schema
from ganforge_chassis.settings import ServiceSettings
from ganforge_coordinator.settings import CoordinatorSettings
from ganforge_local.up import data_option
from ganforge_repository.settings import RepositorySettings

SERVICES: dict[str, type[ServiceSettings]] = {
    "coordinator": CoordinatorSettings,
    "repository": RepositorySettings,
}


@dataclass(frozen=True)
class Home:
    """A service and its database."""

    service: str
    settings: ServiceSettings

    @property
    def url(self) -> str:
        """The database's URL, with its password."""
        return self.settings.database

    @property
    def shown(self) -> str:
        """The database's URL as people may see it."""
        return make_url(self.url).render_as_string(hide_password=True)

    @property
    def is_there(self) -> bool:
        """Whether there is a database; one on a server is, until it is asked."""
        file = sqlite_file(self.url)
        return file is None or file.exists()

    @property
    def metadata(self) -> MetaData:
        """The tables that the service's newest schema has."""
        models = import_module(f"{self.settings.package}.db.models")
        metadata: MetaData = models.metadata
        return metadata


@click.group(cls=Suggesting)
def db() -> None:
    """Look after the databases: schema, soundness, backups, what is kept.

    Of both services, where the environment and the data folder say they are.
    """


def _with_homes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say which databases, and them as its first argument."""

    @data_option
    @click.option("--service", type=click.Choice(list(SERVICES)), help="Only this one's.")
    @click.option("--database-url", help="Where it is, with --service; else as the service's own.")
    @functools.wraps(function)
    def run(data: Path, service: str | None, database_url: str | None, **options: Any) -> Any:
        if database_url and service is None:
            raise click.UsageError("--database-url needs --service: say whose it is")
        given: dict[str, Any] = {"data": data}
        given |= {"database_url": database_url} if database_url else {}
        chosen = [service] if service else list(SERVICES)
        return function([Home(name, SERVICES[name](**given)) for name in chosen], **options)

    return run


def _there(homes: list[Home]) -> list[Home]:
    """Choose the databases that there are.

    Raises:
        NotFound: there is none.
    """
    found = [home for home in homes if home.is_there]
    if not found:
        names = ", ".join(str(sqlite_file(home.url)) for home in homes)
        raise NotFound(f"there is no database {names}: say where with --data, or start a service")
    return found


@db.command()
@json_option
@_with_homes
def check(homes: list[Home], as_json: bool) -> int:
    """Tell schema, soundness and size, and what an upgrade would do; exit code 1 when unsound.

    Reads every page of an SQLite file; servers may run meanwhile.
    """
    found = [(home, _examine(home)) for home in _there(homes)]
    is_sound = not any(condition.problems for _, condition in found)
    if as_json:
        show_json({"sound": is_sound, "items": [_as_json(*pair) for pair in found]})
    else:
        for pair in found:
            click.echo("\n".join(_lines(*pair)))
    return exits.OK if is_sound else exits.JOB_FAILED


def _examine(home: Home) -> Condition:
    try:
        database = home.settings.open_database()
        try:
            return condition.examine(database, home.settings.package, home.metadata)
        finally:
            database.close()
    except DBAPIError as error:
        return Condition(None, None, None, (condition.unreadable(error),))


def _as_json(home: Home, found: Condition) -> dict[str, Any]:
    schema = found.schema
    return {
        "service": home.service,
        "database": home.shown,
        "schema": schema and schema.current,
        "newestSchema": schema and schema.newest,
        "pending": list(schema.pending) if schema else [],
        "sizeBytes": found.size_bytes,
        "freeBytes": found.free_bytes,
        "problems": list(found.problems),
    }


def _lines(home: Home, found: Condition) -> list[str]:
    lines = [f"{home.service}  {home.shown}"]
    if (schema := found.schema) is not None:
        told = "up to date" if schema.is_known else "not known here"
        if schema.pending:
            told = f"older than {schema.newest}; `ganforge db upgrade` would do"
        lines.append(f"  schema   {schema.current or 'none yet'}, {told}")
        lines += [f"             {step}" for step in schema.pending]
    if found.size_bytes is not None:
        free = f", {size(found.free_bytes)} of it free" if found.free_bytes else ""
        lines.append(f"  size     {size(found.size_bytes)}{free}")
    lines += [f"  PROBLEM  {problem}" for problem in found.problems] or ["  sound"]
    return lines


@db.command()
@json_option
@_with_homes
def upgrade(homes: list[Home], as_json: bool) -> None:
    """Bring schemas up to date. Make a backup first.

    Makes databases where there are none. Of several upgrades at once, one does it and the others
    wait.
    """
    done = []
    for home in [home for home in homes if home.is_there] or homes:
        database = home.settings.open_database()
        try:
            before = migrations.upgrade(database, home.settings.package)
        finally:
            database.close()
        done.append({"service": home.service, "database": home.shown, "done": before.pending})
        if not as_json:
            _tell_upgraded(home, before)
    if as_json:
        show_json({"items": done})


def _tell_upgraded(home: Home, before: Schema) -> None:
    if not before.pending:
        click.echo(f"{home.service}: schema {before.newest} is up to date")
        return
    for step in before.pending:
        click.echo(f"{home.service}: {step}")


@db.command()
@click.argument("to", type=click.Path(path_type=Path))
@json_option
@_with_homes
def backup(homes: list[Home], to: Path, as_json: bool) -> None:
    """Copy the databases into the new folder TO, while servers run; with --service a file TO.

    SQLite's become files to start a server on; PostgreSQL's archives for pg_restore. Each copy is
    looked over before it gets its name, and nothing is overwritten.
    """
    files: dict[str, Path] = {}
    # The coordinator's first: of the versions it names, the repository's later copy has all.
    for home in _there(homes):
        if (same := files.get(home.url)) is not None:
            say(f"{home.service}: in the same database, so in {same}")
            continue
        files[home.url] = to if len(homes) == 1 else to / _copy_name(home)
        with _progress(home.service) as progress:
            backups.back_up(
                home.url,
                files[home.url],
                package=home.settings.package,
                metadata=home.metadata,
                progress=progress,
            )
    if as_json:
        show_json({"items": [_of_file(file) for file in files.values()]})
        return
    for file in files.values():
        click.echo(f"{file}  {size(file.stat().st_size)}")


def _copy_name(home: Home) -> str:
    name = Path(home.settings.database_file)
    return name.name if sqlite_file(home.url) else f"{name.stem}.dump"


def _of_file(file: Path) -> dict[str, Any]:
    return {"file": str(file), "sizeBytes": file.stat().st_size}


@contextmanager
def _progress(what: str) -> Iterator[backups.Progress]:
    """Draw a bar while a copy is made, where somebody looks on."""
    if not is_terminal():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{what}: copying and looking over", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@db.command()
@click.option("--dry-run", is_flag=True, help="Tell what would go, and let it stay.")
@json_option
@data_option
@click.option("--database-url", help="The coordinator's; else as it is set for that.")
def retain(dry_run: bool, as_json: bool, data: Path, database_url: str | None) -> None:
    """Retire what the coordinator has kept long enough, by its settings, in small batches.

    A coordinator does so by itself every hour; servers may run meanwhile.
    """
    from ganforge_coordinator import retention
    from ganforge_coordinator.janitor import Janitor

    given = {"database_url": database_url} if database_url else {}
    settings = CoordinatorSettings(data=data, **given)  # type: ignore[arg-type]
    _there([Home("coordinator", settings)])
    database = settings.open_database()
    try:
        migrations.prepare(database, settings.package, migrations.Upgrade.NEVER)
        if dry_run:
            with database.read() as connection:
                told = retention.due(connection, settings.keeping)
        else:
            told = Janitor(database, settings.keeping, seconds=0).make_round()
    finally:
        database.close()
    if as_json:
        show_json({"dryRun": dry_run, "rows": told})
        return
    show_table(("KIND", "WOULD GO" if dry_run else "RETIRED"), told.items())
