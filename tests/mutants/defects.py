"""The defects: each a few words of the source replaced, and the tests that must fail then.

Each is a mistake that some job queue has shipped, or that this one was once close to.
"""

from dataclasses import dataclass
from pathlib import Path

COORDINATOR = "services/coordinator/ganforge_coordinator"
CHASSIS = "services/chassis/ganforge_chassis"
REPOSITORY = "services/repository/ganforge_repository"
TESTS = "tests/coordinator"


@dataclass(frozen=True)
class Edit:
    """Some words of a file, which are there once, and what they become."""

    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Change the file below ``root``.

        Raises:
            ValueError: the words are not there once: the source has moved on, so must the defect.
        """
        path = root / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} holds {text.count(self.old)} times: {self.old!r}")
        path.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True)
class Defect:
    """A mistake, and the tests of which every one must notice it."""

    name: str
    edits: tuple[Edit, ...]
    tests: tuple[str, ...]  # as pytest names them


def _in(module: str, old: str, new: str) -> Edit:
    return Edit(f"{COORDINATOR}/{module}.py", old, new)


DEFECTS = (
    Defect(
        "the guard does not look when the lease ends",
        (_in("lease", "            member.lease_until_ms > amnesty.counted_ms(),\n", ""),),
        (f"{TESTS}/test_leases.py::test_an_expired_lease_can_neither_be_renewed_nor_used",),
    ),
    Defect(
        "the guard does not look whether the attempt is fenced",
        (
            _in(
                "lease",
                "            member.active,\n            member.lease_until_ms >",
                "            member.lease_until_ms >",
            ),
        ),
        (
            f"{TESTS}/test_leases.py::test_a_cancelled_job_is_fenced_at_once",
            f"{TESTS}/test_leases.py::test_a_learner_that_starts_anew_loses_its_old_leases_at_once",
        ),
    ),
    Defect(
        "the time is the transaction's start",
        (
            Edit(
                f"{CHASSIS}/clock.py",
                "EXTRACT(EPOCH FROM clock_timestamp())",
                "EXTRACT(EPOCH FROM now())",
            ),
        ),
        ("tests/chassis/test_clock.py::test_the_clock_goes_on_within_a_transaction",),
    ),
    Defect(
        "the guard has a transaction of its own",
        (
            _in(
                "lease",
                "    rows = connection.execute(_renewal(connection.dialect.name), "
                "{FACTS: facts})\n",
                """    asked = _renewal(connection.dialect.name), {FACTS: facts}
    if connection.dialect.name == "postgresql":
        with connection.engine.begin() as alone:
            rows = alone.execute(*asked).all()
    else:
        rows = connection.execute(*asked).all()
""",
            ),
            # As it was when a push began with its guard; else the two would wait for each other.
            _in("progress", "        .with_for_update(of=jobs)\n", ""),
        ),
        (
            f"{TESTS}/test_dispatch_race.py::"
            "test_a_push_that_waits_while_its_job_is_cancelled_is_refused",
        ),
    ),
    Defect(
        "a claim does not look whether the job waits",
        (_in("dispatch", '            jobs.c.state == "QUEUED",\n', ""),),
        (
            f"{TESTS}/test_leases.py::"
            "test_a_paused_job_rests_after_its_release_and_goes_on_when_resumed",
        ),
    ),
    Defect(
        "the reaper does not look again once it has the lock",
        (
            _in(
                "lease",
                """            attempt_members.c.active,
            _has_run_out(),
        )
        .values(active=False)""",
                """            attempt_members.c.active,
        )
        .values(active=False)""",
            ),
        ),
        (
            f"{TESTS}/test_dispatch_race.py::"
            "test_a_heartbeat_that_came_in_time_wins_over_a_reaper_that_looked_too_early",
        ),
    ),
    Defect(
        "pushes are not counted",
        (
            _in(
                "lease",
                "            member.next_seq == func.coalesce(fact.seq, member.next_seq),\n",
                "",
            ),
        ),
        (
            f"{TESTS}/test_progress.py::test_a_push_sent_again_is_not_applied_again",
            f"{TESTS}/test_progress.py::test_a_push_that_comes_too_early_is_told_which_one_is_missing",
        ),
    ),
    Defect(
        "the answer goes out before the commit",
        (
            Edit(
                f"{CHASSIS}/group_writer.py",
                "                results = batch.together(connection, items)\n",
                """                results = batch.together(connection, items)
                for asked, result in zip(group, results, strict=True):
                    asked.result = result
                _tell(group)
""",
            ),
            Edit(
                f"{CHASSIS}/group_writer.py",
                "if not asked.future.cancelled():",
                "if not asked.future.done():",
            ),
        ),
        (f"{TESTS}/test_leases.py::test_no_learner_is_told_yes_before_its_write_is_committed",),
    ),
    Defect(
        "the epoch does not grow with a new attempt",
        (_in("assignment", 'max(job["epoch"] + 1, floor, time)', 'max(job["epoch"], floor)'),),
        (
            f"{TESTS}/test_leases.py::test_a_released_job_goes_on_at_once_and_counts_nothing",
            f"{TESTS}/test_leases.py::"
            "test_a_failed_job_rests_and_then_goes_on_until_it_has_failed_too_often",
        ),
    ),
    Defect(
        "a learner that starts anew is taken for the old one",
        (
            _in(
                "roster",
                'if known is not None and known["boot_id"] == registration.boot_id:',
                "if known is not None:",
            ),
        ),
        (f"{TESTS}/test_leases.py::test_a_learner_that_starts_anew_loses_its_old_leases_at_once",),
    ),
    Defect(
        "there is no amnesty",
        (
            _in("amnesty", "    if abs(gap) <= GAP_MS:\n", "    if gap == gap:\n"),
            _in("amnesty", "now_ms()), else_=mark)", "now_ms()), else_=now_ms())"),
        ),
        (
            f"{TESTS}/test_amnesty.py::test_a_learner_that_beats_again_after_a_gap_has_lost_nothing",
            f"{TESTS}/test_amnesty.py::test_time_that_nobody_counted_makes_no_trainer_hang",
        ),
    ),
    Defect(
        "the events of all jobs share one count",
        (
            _in(
                "ledger",
                "last_seq=jobs.c.last_seq + 1",
                "last_seq=select(func.max(jobs.alias().c.last_seq) + 1).scalar_subquery()",
            ),
            _in("ledger", "Select, bindparam, insert", "Select, bindparam, func, insert"),
        ),
        (f"{TESTS}/test_events.py::test_what_happens_to_one_job_takes_no_number_from_another",),
    ),
    Defect(
        "a cancel waits for the learner",
        (
            Edit(
                f"{COORDINATOR}/job.py",
                "    Trigger.CANCEL: _cancelled,\n}\n\nTABLE",
                "    Trigger.CANCEL: _want(Desired.CANCEL),\n}\n\nTABLE",
            ),
        ),
        (f"{TESTS}/test_leases.py::test_a_cancelled_job_is_fenced_at_once",),
    ),
    Defect(
        "a snapshot is noted without the guard",
        (
            _in(
                "dispatch",
                "    job = lease.lead(connection, attempt_id, note.rank).job\n    key = (\n",
                "    job = ledger.lock_of_attempt(connection, attempt_id)\n"
                "    assert job is not None\n    key = (\n",
            ),
        ),
        (
            f"{TESTS}/test_leases.py::test_an_expired_lease_can_neither_be_renewed_nor_used",
            f"{TESTS}/test_leases.py::"
            "test_a_fenced_learner_changes_nothing_while_the_next_one_works",
        ),
    ),
    Defect(
        "losses are never forgotten",
        (_in("dispatch", "            losses=0,\n", ""),),
        (
            f"{TESTS}/test_leases.py::"
            "test_the_reaper_gives_a_lost_job_to_the_next_learner_and_counts_the_loss",
        ),
    ),
    Defect(
        "a gang is given to those who are there, though they are too few",
        (
            _in(
                "gang",
                'return chosen if len(chosen) == job["target_count"] else None',
                "return chosen or None",
            ),
        ),
        (
            f"{TESTS}/test_gangs.py::"
            "test_a_job_for_three_waits_for_the_third_and_then_goes_to_all_at_once",
            f"{TESTS}/test_gang_model.py::test_gangs_are_whole_after_any_order_of_events",
        ),
    ),
    Defect(
        "a gang forms while the one before has not answered",
        (
            _in("gang", "            forming.add(selector_id)\n", ""),
            _in("gang", "    forming = _selectors_forming(connection)\n", "    forming = set()\n"),
        ),
        (f"{TESTS}/test_gang_model.py::test_gangs_are_whole_after_any_order_of_events",),
    ),
    Defect(
        "who was chosen for a gang still waits",
        (
            _in(
                "gang",
                "    for member in members:\n        unpark(connection, member.learner_id)\n",
                "",
            ),
        ),
        (f"{TESTS}/test_gang_model.py::test_gangs_are_whole_after_any_order_of_events",),
    ),
    Defect(
        "an amnesty locks members before their jobs",
        (
            _in(
                "amnesty",
                "    connection.execute(changing.order_by(jobs.c.id).with_for_update()).all()\n",
                "",
            ),
        ),
        (
            f"{TESTS}/test_dispatch_race.py::"
            "test_an_amnesty_and_a_reaper_wait_for_each_other_in_one_order",
        ),
    ),
    Defect(
        "the repository does not check the epoch",
        (
            Edit(
                f"{REPOSITORY}/snapshots.py",
                "job_epochs.c.job == job, job_epochs.c.epoch == epoch)",
                "job_epochs.c.job == job)",
            ),
        ),
        (
            "tests/repository/test_snapshots.py::"
            "test_a_new_epoch_goes_on_from_the_latest_snapshot_and_shuts_out_the_old",
            f"{TESTS}/test_fencing_model.py::test_who_is_fenced_writes_nowhere_any_more",
        ),
    ),
    Defect(
        "the repository lets an older epoch be opened",
        (
            Edit(
                f"{REPOSITORY}/snapshots.py",
                "job_epochs.c.job == job, job_epochs.c.epoch <= request.epoch)",
                "job_epochs.c.job == job)",
            ),
        ),
        (f"{TESTS}/test_fencing_model.py::test_who_is_fenced_writes_nowhere_any_more",),
    ),
)
