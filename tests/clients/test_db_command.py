"""``ganforge db``: databases looked over, upgraded and copied, on SQLite and on PostgreSQL."""

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ganforge.cli import exits
from ganforge.errors import Conflict, NotFound, ServerFailed
from ganforge_chassis import migrations, postgres_tools
from ganforge_chassis.backup import back_up
from ganforge_chassis.database import Database
from ganforge_coordinator.app import create_app
from ganforge_coordinator.db.models import metadata
from ganforge_coordinator.settings import CoordinatorSettings
from tests.clients.conftest import CommandLine, Ran
from tests.support.postgres import PostgresServer

PACKAGE = "ganforge_coordinator"
TOKENS = "admin:gf_test_admin_token_0123456789"


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def do(url: str, *statements: str) -> None:
    with opened(url) as database, database.write() as connection:
        for statement in statements:
            connection.execute(text(statement))


def at_schema(url: str, revision: str = "head") -> str:
    """Make a coordinator's database of this schema, and give its URL."""
    with opened(url) as database:
        migrations.upgrade(database, PACKAGE, revision)
    return url


class Db:
    """Runs ``ganforge db`` on one database of the coordinator's."""

    def __init__(self, command_line: CommandLine, url: str) -> None:
        self._command_line = command_line
        self._url = url

    def __call__(self, *words: str) -> Ran:
        where = ("--service", "coordinator", "--database-url", self._url)
        return self._command_line("db", *words, *where)

    def retain(self, *words: str) -> Ran:
        return self._command_line("db", "retain", *words, "--database-url", self._url)

    def check(self) -> tuple[int, dict[str, Any]]:
        """Give the exit code and what was told of the database."""
        told = self("check", "--json")
        (item,) = told.json["items"]
        assert told.json["sound"] is (told.code == exits.OK)
        return told.code, item


@pytest.fixture
def db(anywhere: CommandLine, database_url: str) -> Db:
    return Db(anywhere, database_url)


def test_an_empty_database_is_upgraded_and_then_up_to_date(db: Db) -> None:
    assert db("upgrade").code == exits.OK
    code, found = db.check()
    assert code == exits.OK
    assert (found["schema"], found["pending"], found["problems"]) == (found["newestSchema"], [], [])
    assert found["sizeBytes"] > 10_000
    assert "up to date" in db("upgrade").out
    assert "  sound" in db("check").out


def test_a_check_tells_what_an_upgrade_would_do_and_does_it_not(db: Db, database_url: str) -> None:
    at_schema(database_url, "0001")
    for _ in range(2):
        code, found = db.check()
        assert (code, found["schema"]) == (exits.OK, "0001")
        assert found["pending"][0].startswith("0002: ")
    told = db("check").out
    assert found["pending"][0] in told
    assert "0001, older than" in told
    assert found["pending"][0] in db("upgrade").out
    assert db.check()[1]["schema"] == found["newestSchema"]


def test_a_schema_of_a_newer_version_is_told_and_left_alone(db: Db, database_url: str) -> None:
    do(at_schema(database_url), f"UPDATE {PACKAGE}_version SET version_num = '9999'")
    code, found = db.check()
    assert (code, found["schema"]) == (exits.JOB_FAILED, "9999")
    assert "newer version" in found["problems"][0]
    told = db("upgrade")
    assert told.code == exits.UNREACHABLE
    assert "9999" in told.err
    assert found["newestSchema"] in told.err


def test_tables_that_are_not_those_of_the_schema_are_told(db: Db, database_url: str) -> None:
    do(at_schema(database_url), "DROP TABLE api_tokens", "DROP INDEX jobs_list")
    code, found = db.check()
    assert code == exits.JOB_FAILED
    assert any("api_tokens" in problem for problem in found["problems"])
    assert any("jobs_list" in problem for problem in found["problems"])
    assert "PROBLEM" in db("check").out


def test_the_tables_of_both_services_may_stand_in_one_database(db: Db, database_url: str) -> None:
    with opened(database_url) as database:
        migrations.upgrade(database, "ganforge_repository")
    at_schema(database_url)
    assert db.check()[0] == exits.OK


def test_nothing_is_made_where_there_is_no_database(anywhere: CommandLine, tmp_path: Path) -> None:
    for words in (["check"], ["backup", "copy"]):
        told = anywhere("db", *words, "--data", str(tmp_path / "nowhere"))
        assert told.code == exits.NOT_FOUND
        assert "nowhere/coordinator.db" in told.err
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_file_is_found_out_and_not_copied(anywhere: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "test.db"
    at_schema(f"sqlite:///{file}")
    damaged = bytearray(file.read_bytes())
    damaged[4096 * 5 : 4096 * 20] = bytes(range(256)) * 240
    file.write_bytes(damaged)
    db = Db(anywhere, f"sqlite:///{file}")
    code, found = db.check()
    assert code == exits.JOB_FAILED
    assert found["problems"]
    assert db("backup", "copy.db").code == exits.UNREACHABLE
    assert not any(name.name.startswith((".copy", "copy")) for name in tmp_path.iterdir())


def test_what_is_no_database_is_told(anywhere: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "test.db"
    file.write_text("a letter to a friend, which is longer than the head of a database\n" * 20)
    code, found = Db(anywhere, f"sqlite:///{file}").check()
    assert code == exits.JOB_FAILED
    assert "not a database" in found["problems"][0]


def test_rows_that_refer_to_nothing_are_told(anywhere: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "test.db"
    at_schema(f"sqlite:///{file}")
    with sqlite3.connect(file) as connection:  # which does not look at references
        connection.execute("INSERT INTO learner_selectors VALUES ('ada', 'any')")
    connection.close()
    code, found = Db(anywhere, f"sqlite:///{file}").check()
    assert code == exits.JOB_FAILED
    assert "learner_selectors" in found["problems"][0]


def test_an_index_that_is_not_valid_is_told(
    anywhere: CommandLine, postgres_server: PostgresServer
) -> None:
    url = at_schema(postgres_server.new_database())
    do(url, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'jobs_list'::regclass")
    code, found = Db(anywhere, url).check()
    assert code == exits.JOB_FAILED
    assert found["problems"] == [
        "index jobs_list is not valid: make it anew with REINDEX INDEX CONCURRENTLY"
    ]


def test_a_server_that_does_not_answer_is_told_without_the_password(anywhere: CommandLine) -> None:
    url = "postgresql://ada:sesame@127.0.0.1:1/ganforge"
    told = Db(anywhere, url)("check")
    assert told.code == exits.JOB_FAILED
    assert "cannot be read" in told.out
    assert "sesame" not in told.out + told.err


def test_a_url_needs_to_be_somebodys(anywhere: CommandLine) -> None:
    assert anywhere("db", "check", "--database-url", "sqlite:///x.db").code == exits.USAGE


def test_of_two_upgrades_at_once_one_does_it_and_the_other_waits(database_url: str) -> None:
    at_schema(database_url, "0001")
    command = [sys.executable, "-m", "ganforge", "db", "upgrade", "--service", "coordinator"]
    started = [
        subprocess.Popen([*command, "--database-url", database_url], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    told = [process.communicate()[0].decode() for process in started]
    assert [process.returncode for process in started] == [exits.OK, exits.OK]
    assert sorted("up to date" in line for line in told) == [False, True]


def test_an_upgrade_gives_up_on_tables_that_others_hold(postgres_server: PostgresServer) -> None:
    with (
        opened(at_schema(postgres_server.new_database(), "0001")) as database,
        database.read() as reader,
    ):
        reader.execute(text("SELECT * FROM jobs"))
        with pytest.raises(Conflict, match="end the servers"):
            migrations.upgrade(database, PACKAGE, lock_seconds=1)
        reader.rollback()
        with database.read() as connection:
            assert migrations.schema_of(connection, PACKAGE).current == "0001"


def test_a_migration_that_leaves_rows_without_what_they_refer_to_is_undone(tmp_path: Path) -> None:
    file = tmp_path / "test.db"
    url = at_schema(f"sqlite:///{file}", "0001")
    with sqlite3.connect(file) as connection:
        connection.execute("INSERT INTO snapshot_notes VALUES ('no-such-job', 1, 1, '{}', 0)")
    connection.close()
    with opened(url) as database:
        with pytest.raises(ServerFailed, match="snapshot_notes"):
            migrations.upgrade(database, PACKAGE)
        with database.write() as connection_:
            assert migrations.schema_of(connection_, PACKAGE).current == "0001"
            # And from now on references are looked at again.
            with pytest.raises(Exception, match="FOREIGN KEY"):
                connection_.execute(text("INSERT INTO snapshot_notes VALUES ('no', 1, 1, '{}', 0)"))


class Writer:
    """Writes two rows at a time, which belong together, until it is told to end."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stopping = threading.Event()
        self.began = threading.Event()

    def run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            with self._database.write() as connection:
                for kind in ("first", "second"):
                    connection.execute(
                        text(
                            "INSERT INTO series_schemas (digest, names) "
                            f"VALUES ('{kind}-{number}', '[]')"
                        )
                    )
            number += 1
            self.began.set()

    def stop(self) -> None:
        self._stopping.set()


def test_a_copy_made_while_others_write_is_one_state_of_the_database(
    database_url: str, tmp_path: Path
) -> None:
    at_schema(database_url)
    steps = []
    with opened(database_url) as database, ThreadPoolExecutor() as threads:
        writer = Writer(database)
        writing = threads.submit(writer.run)
        writer.began.wait()
        back_up(
            database_url,
            tmp_path / "copy",
            package=PACKAGE,
            metadata=metadata,
            progress=lambda done, total: steps.append((done, total)),
        )
        writer.stop()
        writing.result()
    assert all(0 <= done <= total for done, total in steps)
    counts = rows_of_copy(tmp_path / "copy", "series_schemas")
    assert counts["first"] == counts["second"] > 0


def rows_of_copy(copy: Path, table: str) -> dict[str, int]:
    """Count the rows of a copy by what their first column begins with."""
    if copy.read_bytes().startswith(b"SQLite"):
        with sqlite3.connect(copy) as connection:
            names = [name for (name,) in connection.execute(f"SELECT digest FROM {table}")]
        connection.close()
    else:
        names = postgres_tools.find(18).rows(copy, table)
    kinds = [name.partition("-")[0] for name in names]
    return {kind: kinds.count(kind) for kind in kinds}


def test_a_backup_overwrites_nothing(db: Db, database_url: str, tmp_path: Path) -> None:
    at_schema(database_url)
    told = db("backup", "copies/one", "--json")
    assert told.code == exits.OK
    (item,) = told.json["items"]
    file = tmp_path / "copies" / "one"
    assert item == {"file": "copies/one", "sizeBytes": file.stat().st_size}
    before = file.read_bytes()
    assert db("backup", "copies/one").code == exits.CONFLICT
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_the_backup_of_a_data_folder_is_one_to_start_servers_on(
    anywhere: CommandLine, tmp_path: Path
) -> None:
    assert anywhere("db", "upgrade", "--data", "site").code == exits.OK
    told = anywhere("db", "backup", "copy", "--data", "site")
    assert told.code == exits.OK
    assert "copy/coordinator.db" in told.out
    assert "copy/repository.db" in told.out
    app = create_app(CoordinatorSettings(data=tmp_path / "copy", tokens=TOKENS))
    app.state.database.close()
    assert anywhere("db", "check", "--data", "copy").code == exits.OK


def test_a_database_that_both_services_share_is_copied_once(
    anywhere: CommandLine, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.new_database()
    for service in ("COORDINATOR", "REPOSITORY"):
        monkeypatch.setenv(f"GANFORGE_{service}_DATABASE_URL", url)
    assert anywhere("db", "upgrade").code == exits.OK
    told = anywhere("db", "backup", "copy")
    assert told.code == exits.OK
    assert [line.split()[0] for line in told.out.splitlines()] == ["copy/coordinator.dump"]
    assert "in the same database" in told.err


def test_programs_older_than_the_server_are_not_taken() -> None:
    assert postgres_tools.find(1).folder.is_dir()
    with pytest.raises(NotFound, match="pg_dump and pg_restore 999 or newer"):
        postgres_tools.find(999)


def test_what_would_be_retired_is_told_and_then_retired(db: Db, database_url: str) -> None:
    at_schema(database_url)
    do(
        database_url,
        "INSERT INTO learners (id, name, boot_id, is_current, device, labels, version, datasets, "
        "strategies, last_seen_ms) VALUES "
        "('ada', 'ada', 'boot', true, 'cpu', '{}', '0', '[]', '[]', 0)",
    )
    for dry in (True, True, False):
        told = db.retain("--json", *(["--dry-run"] if dry else []))
        assert told.json["dryRun"] is dry
        assert told.json["rows"] == {
            "progress": 0,
            "events": 0,
            "idempotencyKeys": 0,
            "learners": 1,
        }
    assert db.retain("--json").json["rows"]["learners"] == 0
    assert "learners" in db.retain("--dry-run").out


def test_nothing_is_retired_from_a_schema_that_is_not_the_newest(db: Db, database_url: str) -> None:
    at_schema(database_url, "0001")
    assert db.retain().code == exits.UNREACHABLE
