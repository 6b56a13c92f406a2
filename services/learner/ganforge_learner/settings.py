"""What a learner is told from outside."""

import platform
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LearnerSettings(BaseSettings):
    """A learner's settings, from the environment as ``GANFORGE_LEARNER_...``."""

    model_config = SettingsConfigDict(
        env_prefix="GANFORGE_LEARNER_", extra="ignore", populate_by_name=True
    )

    coordinator_url: str = Field(
        "http://127.0.0.1:8080", validation_alias="GANFORGE_COORDINATOR_URL"
    )
    repository_url: str = Field("http://127.0.0.1:8080", validation_alias="GANFORGE_REPOSITORY_URL")
    token: str | None = Field(None, validation_alias="GANFORGE_TOKEN")
    data: Path = Field(
        Path("ganforge-data"),
        validation_alias="GANFORGE_DATA",
        description="the data folder, with datasets/",
    )
    name: str = Field(
        default_factory=platform.node,
        min_length=1,
        max_length=100,
        description="the learner's name; stays the same over restarts, differs between learners",
    )
    device: str = Field("auto", description="auto, cpu, cuda, or one device such as cuda:1")
    labels: str = Field(
        "", description="what jobs may choose it by, besides what it tells itself: pool=blue,zone=2"
    )
    dataset_bytes: int | None = Field(
        None,
        ge=0,
        description="what a dataset may take of the device's memory, half of what is free when "
        "not set; a larger one is read from a mapped file",
    )
    threads: int = Field(
        1, ge=1, le=1024, description="threads torch computes with; small networks want one"
    )
