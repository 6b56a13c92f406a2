"""The history of a storm is one that leases allow."""

from pathlib import Path

from tests.chaos import site
from tests.chaos.storm import Storm

OPERATIONS = 300


def test_no_effect_of_a_stale_epoch_is_kept_and_no_acknowledged_one_lost(
    database_url: str, tmp_path: Path
) -> None:
    count = 1 if database_url.startswith("sqlite") else 2
    with site.running(tmp_path, database_url, count=count) as coordinators:
        found = Storm(
            coordinators,
            tmp_path,
            seed=1,
            operations=OPERATIONS,
            processes=2,
            learners=8,
            kills=1,
            kill_seconds=(2.0, 5.0),
        ).run()
    assert found.violations == []
    assert found.operations >= OPERATIONS
    assert found.epochs > 0
