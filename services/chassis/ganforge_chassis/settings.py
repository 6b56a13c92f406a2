"""What every service is told from outside."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ganforge_chassis.database import Database
from ganforge_chassis.migrations import Upgrade
from ganforge_chassis.tokens import Lookup, Tokens, token_file


class ServiceSettings(BaseSettings):
    """Settings both services share; each service adds its own and its prefix.

    A service names its ``package``, which has the migrations in ``db/migrations``, the
    ``database_file`` in the data folder, and the ``page_size`` of a new one in bytes.
    """

    package: ClassVar[str]
    database_file: ClassVar[str]
    page_size: ClassVar[int] = 4096

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    data: Path = Field(
        Path("ganforge-data"), validation_alias="GANFORGE_DATA", description="the data folder"
    )
    database_url: str | None = Field(
        None, description="SQLAlchemy URL; SQLite in the data folder when not given"
    )
    upgrade: Upgrade = Field(
        Upgrade.AUTO,
        validation_alias="GANFORGE_UPGRADE",
        description="whether a server brings an older schema up to date at start: auto (SQLite: "
        "yes, PostgreSQL: no, unless it is empty), always, never",
    )
    tokens: str = Field(
        "",
        validation_alias="GANFORGE_TOKENS",
        description="role:token pairs, comma-separated; the data folder's token when empty",
    )

    @property
    def database(self) -> str:
        """The database's URL: the one that was set, else that of a file in the data folder."""
        return self.database_url or f"sqlite:///{self.data / self.database_file}"

    def open_database(self) -> Database:
        """Open the database, as it is; makes the data folder when the database lies there."""
        if not self.database_url:
            self.data.mkdir(parents=True, exist_ok=True)
        return Database(self.database, page_size=self.page_size)

    def known_tokens(self, lookup: Lookup | None = None) -> Tokens:
        """Give the tokens the service knows; makes the data folder's token when none are set.

        Args:
            lookup: asked about tokens that no setting tells of.
        """
        return Tokens(self.tokens or f"admin:{token_file(self.data)}", lookup=lookup)
