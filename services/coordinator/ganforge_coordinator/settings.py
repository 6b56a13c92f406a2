"""What the coordinator is told from outside."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ganforge_chassis.settings import ServiceSettings
from ganforge_coordinator.keeping import DAY_MS, Keeping


class CoordinatorSettings(ServiceSettings):
    """The coordinator's settings, from the environment as ``GANFORGE_COORDINATOR_...``."""

    package: ClassVar[str] = "ganforge_coordinator"
    database_file: ClassVar[str] = "coordinator.db"

    model_config = SettingsConfigDict(
        env_prefix="GANFORGE_COORDINATOR_", extra="ignore", populate_by_name=True
    )

    repository_url: str | None = Field(
        None,
        description="where the coordinator reaches the repository, to check networks at submit "
        "and to show sample grids; when not given, the learner alone checks",
    )
    repository_token: str | None = Field(None, description="a token with the role read, for that")
    repository_public_url: str = Field(
        "",
        description="where people reach the repository; empty when both share one origin",
    )
    lease_seconds: float = Field(30.0, ge=1, le=300, description="how long a lease lives")
    heartbeat_seconds: float = Field(10.0, ge=0.1, le=100, description="how often learners beat")
    acknowledge_seconds: float = Field(
        15.0, ge=1, le=300, description="how long a new lease waits for its first heartbeat"
    )
    reap_seconds: float = Field(1.0, gt=0, le=60, description="how often expired leases are taken")
    keep_progress_days: float = Field(
        90.0,
        ge=0,
        description="how long after a job's end all of its progress is kept, and from then on "
        "some 2,000 points of each series, every extreme among them; 0: for ever",
    )
    keep_events_days: float = Field(
        90.0,
        ge=0,
        description="how long events are kept, but for those with results; 0: for ever",
    )
    keep_learners_days: float = Field(
        90.0,
        ge=0,
        description="how long learners not heard of are kept; then only the names of those that "
        "attempts name; 0: for ever",
    )
    retire_seconds: float = Field(
        3600.0,
        ge=0,
        description="how often what is kept no longer is retired; 0: only by `ganforge db retain`",
    )

    @property
    def keeping(self) -> Keeping:
        """How long what is kept."""
        return Keeping(
            progress_ms=int(self.keep_progress_days * DAY_MS),
            events_ms=int(self.keep_events_days * DAY_MS),
            learners_ms=int(self.keep_learners_days * DAY_MS),
        )
