"""What every service is told from outside."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ganforge_chassis.tokens import Tokens, token_file


class ServiceSettings(BaseSettings):
    """Settings both services share; each service adds its own and its prefix."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    data: Path = Field(
        Path("ganforge-data"), validation_alias="GANFORGE_DATA", description="the data folder"
    )
    database_url: str | None = Field(
        None, description="SQLAlchemy URL; SQLite in the data folder when not given"
    )
    tokens: str = Field(
        "",
        validation_alias="GANFORGE_TOKENS",
        description="role:token pairs, comma-separated; the data folder's token when empty",
    )

    def database(self, name: str) -> str:
        """Give the database's URL: the one that was set, else ``name`` in the data folder."""
        if self.database_url:
            return self.database_url
        self.data.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{self.data / name}"

    def known_tokens(self) -> Tokens:
        """Give the tokens the service knows; makes the data folder's token when none are set."""
        return Tokens(self.tokens or f"admin:{token_file(self.data)}")
