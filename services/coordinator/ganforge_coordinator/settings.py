"""What the coordinator is told from outside."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ganforge_chassis.settings import ServiceSettings


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
