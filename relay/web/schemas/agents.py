"""What requests about domains and agents may hold and answers do hold, as /openapi.json shows it."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from relay.directory.agents import MAX_NAME, MAX_SLUG
from relay.events.types import EVENT_NAMES, EventName
from relay.web.schemas.common import Shape
from relay.web.schemas.fields import NextCursor, Time
from store.directory.hitl import MAX_TTL_SECONDS
from store.records.domains import Purpose, RecordStatus
from store.records.mail import ExpirationAction, Mode, OnUnverified

Events = Annotated[
    list[EventName],
    Field(max_length=len(EVENT_NAMES), description="Which events its webhook gets.", examples=[["email.received"]]),
]
Name = Annotated[str, Field(max_length=MAX_NAME, description="For people to read.", examples=["Support"])]
Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2000,
        description="Where events are posted: https, at a public address unless the operator allows others.",
        examples=["https://hooks.example/in"],
    ),
]


class _Exact(Shape):
    """A body in which a number is a number: nothing is converted."""

    model_config = ConfigDict(strict=True)


class DomainRequest(_Exact):
    """A domain that is claimed."""

    domain: str = Field(
        min_length=1, max_length=320, description="In any spelling; U-labels too.", examples=["agents.example"]
    )


class DomainRecord(BaseModel):
    """One DNS record to publish, and how it was last seen."""

    type: Literal["TXT", "MX", "CNAME"] = Field(description="Of the record.")
    name: str = Field(description="Where to publish it.", examples=["_mailseal.agents.example"])
    value: str = Field(description="What to publish.", examples=["mailseal-verify=3f0c9a…"])
    purpose: Purpose = Field(description="`ownership` proves the domain; `receiving` brings mail here; else sending.")
    required: bool = Field(description="False for what is only recommended.")
    status: RecordStatus = Field(
        description=(
            "`pending`: not seen yet. `verified`: seen right. `mismatch`: something else is there, see `found`. "
            "`missing`: it was right once and is gone. `unknown`: DNS did not answer."
        )
    )
    found: list[str] = Field(description="What is there, right or not; at most ten records.", examples=[[]])
    checked_at: Time | None = Field(description="When DNS was last asked; null: never.")
    missing_since: Time | None = Field(description="Of one that was right once: since when it is not.")
    note: str = Field(description="For people.", examples=["Proves that the domain is yours. Keep it."])


class DomainDocument(BaseModel):
    """A domain as its claimant sees it."""

    domain: str = Field(description="Lower-case A-labels.", examples=["agents.example"])
    verified: bool = Field(
        description="Proved by you: mail for its agents is taken. A record that goes takes it not away."
    )
    verified_at: Time | None = Field(description="Since when; null: not yet.")
    created_at: Time
    next_check_at: Time | None = Field(description="When DNS is looked at again by itself; null: only `verify` looks.")
    records: list[DomainRecord] = Field(description="What to publish in DNS.")


class DomainPage(BaseModel):
    """Domains, by name."""

    items: list[DomainDocument] = Field(description="At most `limit`.")
    next_cursor: NextCursor


def _by_default() -> list[EventName]:
    return ["email.received"]


class AgentRequest(_Exact):
    """An agent that is wanted, at a full address or at a slug on the shared domain."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["address"]}, {"required": ["slug"]}],
            "examples": [
                {"address": "support@agents.example", "webhook_url": "https://hooks.example/in", "name": "Support"},
                {"address": "*@agents.example", "mode": "poll"},
                {"slug": "support-bot", "on_unverified": "reject"},
            ],
        }
    )

    address: str = Field(
        default_factory=str,
        min_length=1,
        max_length=320,
        description="On a domain you have claimed; `*@DOMAIN` takes what no other agent does.",
        examples=["support@agents.example"],
    )
    slug: str = Field(
        default_factory=str,
        min_length=1,
        max_length=MAX_SLUG,
        pattern=r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$",
        description="The part before the @ on the relay's shared domain. Names like `postmaster` are reserved.",
        examples=["support-bot"],
    )
    name: Name = ""
    mode: Mode = Field(
        default_factory=lambda: "poll", description="`webhook` by default if there is a URL, else `poll`."
    )
    webhook_url: Url = Field(default_factory=str)
    events: Events = Field(default_factory=_by_default)
    on_unverified: OnUnverified = Field(
        default="deliver", description="`reject` takes only mail whose sender is verified."
    )

    @model_validator(mode="after")
    def _is_at_one_place(self) -> Self:
        if ("address" in self.model_fields_set) == ("slug" in self.model_fields_set):
            raise ValueError("either address or slug")
        return self


class AgentChange(_Exact):
    """What is to be different; what is not named stays."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Support"}, {"webhook_url": "https://hooks.example/new"}, {"mode": "poll"}]
        }
    )

    name: Name = Field(default_factory=str)
    mode: Mode = Field(default_factory=lambda: "poll", description="`webhook` needs a URL, here or from before.")
    webhook_url: Url = Field(
        default_factory=str,
        description=(
            "Where events are posted. Alone it means webhook mode. Setting it switches a webhook on that answered 410."
        ),
    )
    events: Events = Field(default_factory=list)
    on_unverified: OnUnverified = Field(
        default_factory=lambda: "deliver", description="`reject` takes only mail whose sender is verified."
    )


class HitlSettings(_Exact):
    """Whether a person is asked before an agent's mail goes out."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"enabled": True, "ttl_seconds": 86400, "expiration_action": "reject"}]}
    )

    enabled: bool = Field(description="Whether a person is asked.")
    ttl_seconds: int = Field(default=86_400, ge=1, le=MAX_TTL_SECONDS, description="How long a mail waits.")
    expiration_action: ExpirationAction = Field(default="reject", description="What happens when nobody decides.")


class Hitl(BaseModel):
    """Whether a person is asked before an agent's mail goes out."""

    enabled: bool = Field(description="Whether a person is asked.")
    ttl_seconds: int = Field(description="How long a mail waits.", examples=[86_400])
    expiration_action: ExpirationAction = Field(description="What happens when nobody decides.")


class AgentDocument(BaseModel):
    """An agent; its secrets are elsewhere."""

    address: str = Field(description="Its id.", examples=["support@agents.example"])
    email_address: str = Field(description="Where mail for it goes.", examples=["support@agents.example"])
    domain: str = Field(description="The one it was made on.", examples=["agents.example"])
    actual_domain: str = Field(description="What stands behind the @.", examples=["agents.example"])
    is_shared: bool = Field(description="On the relay's shared domain.")
    domain_verified: bool = Field(description="False: it takes no mail until you have proved the domain.")
    is_postmaster: bool = Field(description="It came with the domain, and goes with it.")
    name: str = Field(description="For people to read.", examples=["Support"])
    mode: Mode = Field(description="Whether events are posted to it, or it asks.")
    webhook_url: str | None = Field(description="Where events are posted.", examples=["https://hooks.example/in"])
    webhook_off_at: Time | None = Field(description="When its endpoint said 410: nothing is posted until a URL is set.")
    events: list[EventName] = Field(description="Which events its webhook gets.", examples=[["email.received"]])
    on_unverified: OnUnverified = Field(description="`reject` takes only mail whose sender is verified.")
    hitl: Hitl
    created_at: Time
    updated_at: Time | None = Field(description="When its owner last changed it.")


class AgentPage(BaseModel):
    """Agents, by address."""

    items: list[AgentDocument] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class SigningSecret(BaseModel):
    """One secret that signs, or signed until lately."""

    key_id: str = Field(description="What the seal calls it.", examples=["key_dn7luarbclidfshal6f39oa0p9b4w"])
    secret: str = Field(description="In the form of Standard Webhooks.", examples=["whsec_…"])
    created_at: Time
    expires_at: Time | None = Field(description="Null for the one that signs new mail.")


class SigningSecrets(BaseModel):
    """All that are valid, the current one first."""

    secrets: list[SigningSecret] = Field(description="Three at most.")
