"""Request and response models for API keys, and for /v1/me."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from relay.web.schemas.common import Shape
from relay.web.schemas.fields import NextCursor, Time
from store.directory.keys import ALL_SCOPES, MAX_NAME
from store.records.mail import Scope

Scopes = Annotated[
    list[Scope],
    Field(
        description="`read`: read messages, without marking them. `work`: lease, acknowledge and mark messages. "
        "`send`: send messages. `admin`: all other operations.",
        examples=[list(ALL_SCOPES)],
    ),
]
AgentName = Annotated[str | None, Field(description="The agent it is restricted to; null: all agents of the user.")]


class KeyRequest(Shape):
    """An API key to create."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "worker", "agent": "support@agents.example", "scopes": ["read", "work"]},
                {"name": "laptop"},
            ]
        }
    )

    name: str = Field(default="", max_length=MAX_NAME, description="A name to recognise it by.")
    agent: str | None = Field(default=None, max_length=320, description="Restrict the key to this agent.")
    scopes: list[Scope] | None = Field(
        default=None,
        min_length=1,
        max_length=len(ALL_SCOPES),
        description="Scopes of the key. Default and maximum: the scopes of the key of this request.",
    )


class Key(BaseModel):
    """An API key, without the key itself."""

    id: str = Field(description="The key's id.", examples=["key_dn7luarbclidfshal6f39oa0p9b4w"])
    name: str = Field(description="A name to recognise it by.", examples=["worker"])
    prefix: str = Field(description="The first 12 characters of the key.", examples=["mk_3vT9aLq0w"])
    agent: AgentName
    scopes: Scopes
    created_at: Time
    last_used_at: Time | None = Field(description="Time of the last use, accurate to a minute.")


class NewKey(Key):
    """A new API key."""

    api_key: str = Field(description="The key itself, shown only once.", examples=["mk_3vT9aLq0w…"])


class KeyPage(BaseModel):
    """A page of API keys, oldest first."""

    items: list[Key] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class Holder(BaseModel):
    """The authenticated user."""

    id: str = Field(description="The user's id.", examples=["usr_dn7luarbclidfshal6f39oa0p9b4w"])
    email: str = Field(description="Lower-case.", examples=["you@example.net"])
    name: str = Field(description="Display name.", examples=["Ana"])
    created_at: Time


class Rates(BaseModel):
    """Rate limits in requests per minute and server process; 0: unlimited."""

    per_key: int = Field(description="For one API key.", examples=[600])
    per_user: int = Field(description="For all keys of one user.", examples=[3000])


class PageSizes(BaseModel):
    """Numbers of items on a page of a list."""

    default: int = Field(description="Without `limit`.", examples=[50])
    most: int = Field(description="Maximum of `limit`.", examples=[200])


class Bounds(BaseModel):
    """Limits of the API."""

    requests_per_minute: Rates
    max_message_bytes: int = Field(description="Maximum size of a received message.", examples=[36_700_160])
    max_body_bytes: int = Field(
        description="Maximum body of a request that sends or edits a message; 65536 for all others.",
        examples=[14_680_064],
    )
    page: PageSizes


class Me(BaseModel):
    """The authenticated user, the key of the request, and the limits."""

    user: Holder
    key: Key
    limits: Bounds


class SessionDocument(BaseModel):
    """A console session."""

    created_at: Time
    expires_at: Time


class SessionList(BaseModel):
    """Console sessions, newest first."""

    items: list[SessionDocument] = Field(description="At most 200.")


class EndedSessions(BaseModel):
    """The result of signing out everywhere."""

    ended: int = Field(description="Sessions that were ended.", examples=[2])
