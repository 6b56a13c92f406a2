"""What the repository is told from outside."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ganforge_chassis.settings import ServiceSettings


class RepositorySettings(ServiceSettings):
    """The repository's settings, from ``GANFORGE_REPOSITORY_*`` or as arguments."""

    model_config = SettingsConfigDict(env_prefix="GANFORGE_REPOSITORY_")

    max_blob_bytes: int = Field(
        2 * 1024**3, ge=1024, description="the largest file the repository takes"
    )
