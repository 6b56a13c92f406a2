"""Tokens as admins give them out."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from ganforge.wire.model import BodyModel, WireModel

YEARS_10 = 10 * 366 * 86_400


class Role(StrEnum):
    """What a token may do: each role also may what its ``reach`` lists."""

    READ = "read"
    SUBMIT = "submit"
    LEARNER = "learner"
    ADMIN = "admin"

    @property
    def reach(self) -> frozenset["Role"]:
        """The roles whose calls this role may make."""
        return _REACH[self]


_REACH = {
    Role.READ: frozenset({Role.READ}),
    Role.SUBMIT: frozenset({Role.READ, Role.SUBMIT}),
    Role.LEARNER: frozenset({Role.READ, Role.LEARNER}),
    Role.ADMIN: frozenset(Role),
}


class NewToken(BodyModel):
    """A token to be made."""

    role: Role = Field(examples=["learner"])
    principal: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,99}$",
        description="whose it is; learners of one principal may act for one another",
        examples=["gpu-box-1"],
    )
    lifetime_seconds: int | None = Field(
        None, ge=1, le=YEARS_10, description="until it expires; null never", examples=[86_400]
    )


class TokenInfo(WireModel):
    """A token, without the token itself: of that, nothing but a hash is kept."""

    id: str
    role: Role
    principal: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="to the minute")


class IssuedToken(TokenInfo):
    """A token that was just made."""

    token: str = Field(description="told this once: keep it")


class TokenPage(WireModel):
    """One page of tokens, oldest first."""

    items: list[TokenInfo]
    next_page_token: str | None


class Bearer(WireModel):
    """Whose the token is that came with the request."""

    role: Role
    principal: str
