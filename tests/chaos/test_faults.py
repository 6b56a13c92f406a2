"""A few of the faults, whatever time they take; ``run.py chaos`` tries all, and measures."""

from collections.abc import Iterator

import pytest

from tests.chaos import ground
from tests.chaos.faults import FAULTS, database, network, servers
from tests.chaos.ground import Ground

pytestmark = pytest.mark.e2e


# On PostgreSQL alone: e2e kills what runs on SQLite.
@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    folder = tmp_path_factory.mktemp("ground")
    with ground.ready(folder, "postgresql", counts_attempts=False) as place:
        yield place


def test_a_job_survives_a_network_that_loses_doubles_and_reorders(place: Ground) -> None:
    network.bad_weather(place)


def test_a_job_survives_a_clock_that_jumps_ahead_and_back(place: Ground) -> None:
    database.clock_ahead(place)
    database.clock_back(place)


def test_a_job_survives_a_crash_of_its_database(place: Ground) -> None:
    database.restart_postgres(place)


def test_a_job_survives_a_coordinator_that_dies_before_its_claim_is_answered(place: Ground) -> None:
    servers.kill_after_commit(place)


def test_every_fault_has_a_name_of_its_own_and_a_kind_of_database_that_there_is() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert {fault.database for fault in FAULTS} <= {"", "sqlite", "postgresql"}
