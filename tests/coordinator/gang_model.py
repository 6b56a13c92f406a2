"""What the store must do with gangs, said once more and in little, beside ``job_model``."""

from dataclasses import dataclass, field
from typing import Any

from tests.coordinator.job_model import ACKNOWLEDGE_MS, Attempt, ModelJob


@dataclass(eq=False)
class Gang:
    """An attempt of one learner or of several: a lease for each rank, the first one's leading."""

    leases: list[Attempt]
    trained: set[int] = field(default_factory=set)  # ranks whose trainers run

    @property
    def lead(self) -> Attempt:
        return self.leases[0]

    @property
    def job(self) -> ModelJob:
        return self.lead.job

    @property
    def is_active(self) -> bool:
        return self.lead.state == "ACTIVE"

    @property
    def is_forming(self) -> bool:
        """Whether it was given to several of whom some have not yet answered."""
        return self.is_active and len(self.leases) > 1 and self.is_unheard(self.leases)

    @staticmethod
    def is_unheard(leases: list[Attempt]) -> bool:
        return not all(lease.acknowledged for lease in leases)

    def run_out(self, now_ms: int) -> list[Attempt]:
        """Give the leases that the reaper must take back."""
        return [one for one in self.leases if self.is_active and one.lease_until_ms <= now_ms]

    def facts(self) -> dict[tuple[str, int], dict[str, Any]]:
        """Tell of all its members what the store keeps, by attempt and rank."""
        return {
            (lease.id, rank): {
                "state": self.lead.state,
                "epoch": lease.epoch,
                "claim_key": lease.claim_key,
                "active": self.is_active,
                "started": rank in self.trained,
                "next_seq": lease.next_seq,
                "acknowledged": lease.acknowledged,
                "lease_until_ms": lease.lease_until_ms if self.is_active else None,
            }
            for rank, lease in enumerate(self.leases)
        }


class GangModel:
    """All jobs, how many learners each takes, all gangs there were, and who waits to be chosen."""

    def __init__(self) -> None:
        self.jobs: dict[str, ModelJob] = {}
        self.sizes: dict[str, int] = {}
        self.gangs: list[Gang] = []
        self.parked: dict[str, tuple[str, int]] = {}  # learner: (claim key, until when)

    @property
    def held(self) -> list[Gang]:
        return [gang for gang in self.gangs if gang.is_active]

    def held_by(self, learner: str) -> tuple[Gang, int] | None:
        """Give what a learner works on, and its rank."""
        for gang in self.held:
            for rank, lease in enumerate(gang.leases):
                if lease.learner == learner:
                    return gang, rank
        return None

    def let_go(self, learner: str, now_ms: int) -> None:
        """Take from a learner what it holds, and so from all of its gang."""
        if (found := self.held_by(learner)) is not None:
            found[0].job.lose(now_ms, counted=True)

    def waiting(self, now_ms: int) -> list[ModelJob]:
        """Give the jobs that may be given away, those first that come first."""
        due = [job for job in self.jobs.values() if job.waits(now_ms)]
        return sorted(due, key=lambda job: (-job.priority, job.created_ms))

    def first_single(self, now_ms: int) -> ModelJob | None:
        singles = [job for job in self.waiting(now_ms) if self.sizes[job.id] == 1]
        return singles[0] if singles else None

    def choosable(self, now_ms: int) -> dict[str, str]:
        """Give who can be chosen, and each one's claim key."""
        return {name: key for name, (key, until_ms) in self.parked.items() if until_ms > now_ms}

    def formable(self, now_ms: int) -> ModelJob | None:
        """Give the job for several that must be given away now: no two form at a time."""
        if any(gang.is_forming for gang in self.gangs):
            return None
        free = len(self.choosable(now_ms))
        return next((job for job in self.waiting(now_ms) if 1 < self.sizes[job.id] <= free), None)

    def begin(
        self, job: ModelJob, id: str, epoch: int, members: list[tuple[str, str]], now_ms: int
    ) -> Gang:
        """Give a job to members, each by name and claim key; who is chosen waits no more."""
        ends = now_ms + ACKNOWLEDGE_MS
        leases = [Attempt(id, job, epoch, *member, ends, now_ms) for member in members]
        job.begin(leases[0], now_ms)
        for name, _ in members:
            self.parked.pop(name, None)
        self.gangs.append(Gang(leases))
        return self.gangs[-1]
