"""Request and response models for domains and agents."""

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
    Field(max_length=len(EVENT_NAMES), description="Event types posted to the webhook.", examples=[["email.received"]]),
]
Name = Annotated[str, Field(max_length=MAX_NAME, description="Display name.", examples=["Support"])]
Url = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2000,
        description="URL to which events are posted: https, and a public address unless the operator allows others.",
        examples=["https://hooks.example/in"],
    ),
]


AnswerLists = Annotated[
    bool,
    Field(
        description=(
            "Whether the agent may answer mail that came through a mailing list (`automated_reason` is `list`). "
            "Bounces, automatic replies and bulk mail are refused all the same."
        ),
        examples=[False],
    ),
]


class _Exact(Shape):
    """A request body with strict types: values are not converted."""

    model_config = ConfigDict(strict=True)


class DomainRequest(_Exact):
    """A domain to claim."""

    domain: str = Field(
        min_length=1, max_length=320, description="In any spelling, including U-labels.", examples=["agents.example"]
    )


class DomainRecord(BaseModel):
    """A DNS record to publish, and the result of the last check."""

    type: Literal["TXT", "MX", "CNAME"] = Field(description="Record type.")
    name: str = Field(description="Record name.", examples=["_mailseal.agents.example"])
    value: str = Field(description="Record value.", examples=["mailseal-verify=3f0c9a…"])
    purpose: Purpose = Field(
        description="`ownership` proves the domain; `receiving` routes its mail here; others are for sending."
    )
    required: bool = Field(description="False: recommended only.")
    status: RecordStatus = Field(
        description=(
            "`pending`: not found yet. `verified`: correct. `mismatch`: other records are published, see `found`. "
            "`missing`: it was correct before and is gone. `unknown`: DNS did not answer."
        )
    )
    found: list[str] = Field(description="The published records, correct or not; at most ten.", examples=[[]])
    checked_at: Time | None = Field(description="Time of the last DNS check; null: never checked.")
    missing_since: Time | None = Field(description="Since when a record that was correct before is missing or wrong.")
    note: str = Field(description="Explanation for people.", examples=["Proves that the domain is yours. Keep it."])


class DomainDocument(BaseModel):
    """A claimed domain with its DNS records."""

    domain: str = Field(description="Lower-case A-labels.", examples=["agents.example"])
    verified: bool = Field(
        description="Ownership is proved; agents on it receive mail. Stays true if a record is removed later."
    )
    verified_at: Time | None = Field(description="Time of verification; null: not verified.")
    created_at: Time
    next_check_at: Time | None = Field(description="Time of the next automatic DNS check; null: only `verify` checks.")
    records: list[DomainRecord] = Field(description="The DNS records to publish.")


class DomainPage(BaseModel):
    """A page of domains, by name."""

    items: list[DomainDocument] = Field(description="At most `limit`.")
    next_cursor: NextCursor


def _by_default() -> list[EventName]:
    return ["email.received"]


class AgentRequest(_Exact):
    """An agent to create, by full address or by slug on the shared domain."""

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
        description="On a domain you have claimed. `*@DOMAIN` is a catch-all for addresses without an agent.",
        examples=["support@agents.example"],
    )
    slug: str = Field(
        default_factory=str,
        min_length=1,
        max_length=MAX_SLUG,
        pattern=r"^[a-z0-9_-]+(\.[a-z0-9_-]+)*$",
        description="Local part on the shared domain of this server. Names like `postmaster` are reserved.",
        examples=["support-bot"],
    )
    name: Name = ""
    mode: Mode = Field(default_factory=lambda: "poll", description="Default: `webhook` if a URL is given, else `poll`.")
    webhook_url: Url = Field(default_factory=str)
    events: Events = Field(default_factory=_by_default)
    on_unverified: OnUnverified = Field(
        default="deliver", description="`reject`: accept only mail from verified senders."
    )
    answer_lists: AnswerLists = False

    @model_validator(mode="after")
    def _is_at_one_place(self) -> Self:
        if ("address" in self.model_fields_set) == ("slug" in self.model_fields_set):
            raise ValueError("give either address or slug")
        return self


class AgentChange(_Exact):
    """Fields to change; fields that are not given stay the same."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "Support"}, {"webhook_url": "https://hooks.example/new"}, {"mode": "poll"}]
        }
    )

    name: Name = Field(default_factory=str)
    mode: Mode = Field(default_factory=lambda: "poll", description="`webhook` needs a URL, given here or before.")
    webhook_url: Url = Field(
        default_factory=str,
        description=(
            "URL to which events are posted. Given without `mode` it sets mode `webhook`. Setting it switches on a "
            "webhook that answered 410."
        ),
    )
    events: Events = Field(default_factory=list)
    on_unverified: OnUnverified = Field(
        default_factory=lambda: "deliver", description="`reject`: accept only mail from verified senders."
    )
    answer_lists: AnswerLists = Field(default_factory=bool)


class HitlSettings(_Exact):
    """Review settings: whether messages need approval before they are sent."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"enabled": True, "ttl_seconds": 86400, "expiration_action": "reject"}]}
    )

    enabled: bool = Field(description="Whether messages need approval.")
    ttl_seconds: int = Field(
        default=86_400, ge=1, le=MAX_TTL_SECONDS, description="Seconds until a held message expires."
    )
    expiration_action: ExpirationAction = Field(default="reject", description="What happens to an expired message.")


class Hitl(BaseModel):
    """Review settings: whether messages need approval before they are sent."""

    enabled: bool = Field(description="Whether messages need approval.")
    ttl_seconds: int = Field(description="Seconds until a held message expires.", examples=[86_400])
    expiration_action: ExpirationAction = Field(description="What happens to an expired message.")


class AgentDocument(BaseModel):
    """An agent, without its secrets."""

    address: str = Field(description="The agent's id.", examples=["support@agents.example"])
    email_address: str = Field(description="Address that receives its mail.", examples=["support@agents.example"])
    domain: str = Field(description="Domain on which it was created.", examples=["agents.example"])
    actual_domain: str = Field(description="Domain after the @.", examples=["agents.example"])
    is_shared: bool = Field(description="Whether it is on the shared domain of this server.")
    domain_verified: bool = Field(description="False: it receives no mail until the domain is verified.")
    is_postmaster: bool = Field(description="Created with the domain, and deleted with it.")
    name: str = Field(description="Display name.", examples=["Support"])
    mode: Mode = Field(description="`webhook`: events are posted to it. `poll`: it fetches messages.")
    webhook_url: str | None = Field(
        description="URL to which events are posted.", examples=["https://hooks.example/in"]
    )
    webhook_off_at: Time | None = Field(
        description="When the endpoint answered 410; no events are posted until a URL is set again."
    )
    events: list[EventName] = Field(description="Event types posted to the webhook.", examples=[["email.received"]])
    on_unverified: OnUnverified = Field(description="`reject`: accept only mail from verified senders.")
    answer_lists: AnswerLists
    hitl: Hitl
    created_at: Time
    updated_at: Time | None = Field(description="Time of the last change by its owner.")


class AgentPage(BaseModel):
    """A page of agents, by address."""

    items: list[AgentDocument] = Field(description="At most `limit`.")
    next_cursor: NextCursor


class SigningSecret(BaseModel):
    """A valid signing secret, current or previous."""

    key_id: str = Field(description="Key id, as in the seal.", examples=["key_dn7luarbclidfshal6f39oa0p9b4w"])
    secret: str = Field(description="In Standard Webhooks form.", examples=["whsec_…"])
    created_at: Time
    expires_at: Time | None = Field(description="Null for the current secret.")


class SigningSecrets(BaseModel):
    """All valid signing secrets, the current one first."""

    secrets: list[SigningSecret] = Field(description="At most three.")
