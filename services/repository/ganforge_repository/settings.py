"""What the repository is told from outside."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ganforge_chassis.settings import ServiceSettings


class RepositorySettings(ServiceSettings):
    """The repository's settings, from ``GANFORGE_REPOSITORY_*`` or as arguments."""

    package: ClassVar[str] = "ganforge_repository"
    database_file: ClassVar[str] = "repository.db"
    # Blobs of 1 MiB are written a quarter faster than on 4 KiB pages.
    page_size: ClassVar[int] = 65_536

    model_config = SettingsConfigDict(env_prefix="GANFORGE_REPOSITORY_")

    max_blob_bytes: int = Field(
        2 * 1024**3, ge=1024, description="the largest file the repository takes"
    )
    coordinator_url: str | None = Field(
        None,
        description="where the repository asks whose a token is that no setting tells of; when "
        "not given, it knows those of the settings alone",
    )
