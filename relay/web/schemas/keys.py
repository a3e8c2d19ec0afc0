"""What requests about API keys may hold and answers do hold, as /openapi.json shows it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from relay.web.schemas.common import Shape
from relay.web.schemas.fields import NextCursor, Time
from store.directory.keys import ALL_SCOPES, MAX_NAME
from store.records.mail import Scope

Scopes = Annotated[
    list[Scope],
    Field(
        description="What it may do: `read` and work with mail, `send` it, `admin` for everything else.",
        examples=[list(ALL_SCOPES)],
    ),
]
AgentName = Annotated[str | None, Field(description="The one agent it is for; null: all of the user's.")]


class KeyRequest(Shape):
    """A key that is wanted."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "worker", "agent": "support@agents.example", "scopes": ["read"]}, {"name": "laptop"}]
        }
    )

    name: str = Field(default="", max_length=MAX_NAME, description="To tell it apart.")
    agent: str | None = Field(default=None, max_length=320, description="For this agent alone.")
    scopes: list[Scope] | None = Field(
        default=None,
        min_length=1,
        max_length=len(ALL_SCOPES),
        description="What it may do; by default, and at most, what the key that asks may.",
    )


class Key(BaseModel):
    """An API key, without what opens it."""

    id: str = Field(description="What revokes it.", examples=["key_dn7luarbclidfshal6f39oa0p9b4w"])
    name: str = Field(description="To tell it apart.", examples=["worker"])
    prefix: str = Field(description="The first 12 characters of the key itself.", examples=["mk_3vT9aLq0w"])
    agent: AgentName
    scopes: Scopes
    created_at: Time
    last_used_at: Time | None = Field(description="To the minute.")


class NewKey(Key):
    """An API key that was made."""

    api_key: str = Field(description="The key itself, shown this once.", examples=["mk_3vT9aLq0w…"])


class KeyPage(BaseModel):
    """A page of keys, oldest first."""

    items: list[Key] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class Holder(BaseModel):
    """The user who asks."""

    id: str = Field(description="The user's id.", examples=["usr_dn7luarbclidfshal6f39oa0p9b4w"])
    email: str = Field(description="Lower-case.", examples=["you@example.net"])
    name: str = Field(description="For people to read.", examples=["Ana"])
    created_at: Time


class Rates(BaseModel):
    """Requests a minute at one process of the relay; 0 is without a bound."""

    per_key: int = Field(description="With one API key.", examples=[600])
    per_user: int = Field(description="With all keys of one user.", examples=[3000])


class PageSizes(BaseModel):
    """How many items a page of a list has."""

    default: int = Field(description="Where no `limit` is given.", examples=[50])
    most: int = Field(description="What `limit` may be.", examples=[200])


class Bounds(BaseModel):
    """What may be asked for."""

    requests_per_minute: Rates
    max_message_bytes: int = Field(description="Of a mail that comes in.", examples=[36_700_160])
    max_body_bytes: int = Field(
        description="Of a request that writes a mail; every other may have 65536.", examples=[14_680_064]
    )
    page: PageSizes


class Me(BaseModel):
    """Who asks, by which key, and how much they may ask for."""

    user: Holder
    key: Key
    limits: Bounds
