"""Validation of the lines of an account export, before import.

Unknown fields are ignored: the header's ``schema_version`` changes when fields change their meaning.
"""

from datetime import UTC
from typing import Annotated, Any, Final, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from relay.account.archive import ArchiveEntry
from store.outbound.suppression import MAX_DETAIL
from store.records.feedback import Suppression, SuppressionReason
from store.records.imports import ImportedMessage, ImportedOutbound
from store.records.mail import Agent, ExpirationAction, Message, Mode, OnUnverified, User
from store.records.outbound import OutboundKind, OutboundStatus
from store.records.people import UsageEvent, UsageKind
from store.upkeep.export import SCHEMA_VERSION

_INBOUND: Final = frozenset({"unread", "read"})
_OUTBOUND: Final = frozenset(get_args(OutboundStatus))
_MOST: Final = 2**53  # largest integer that JSON numbers represent exactly


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("it contains a NUL character")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
ShortText = Annotated[Text, Field(max_length=2048)]
Name = Annotated[Text, Field(max_length=200)]
Time = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
Number = Annotated[int, Field(ge=0, le=_MOST)]
UserId = Annotated[str, Field(pattern=r"^usr_[0-9a-z]{1,32}$")]
MessageId = Annotated[str, Field(pattern=r"^msg_[0-9a-z]{1,32}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Email = Annotated[str, Field(pattern=r"^[^\s@A-Z][^\s@A-Z]*@[^\s@A-Z]+$", max_length=320)]
Url = Annotated[ShortText, Field(pattern=r"^https?://[!-~]+$")]


class _ExportLine(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


ExportLine = TypeVar("ExportLine", bound=_ExportLine)


class UserLine(_ExportLine):
    """The user in the header line."""

    id: UserId
    email: Email
    name: Annotated[Text, Field(max_length=320)]
    created_at: Time
    updated_at: Time | None

    def record(self) -> User:
        """The user without an OIDC subject, which is not exported."""
        return User(**self.model_dump(), subject="")


class Header(_ExportLine):
    """The first line of the listing."""

    schema_version: Literal[1]
    user: UserLine


class DomainLine(_ExportLine):
    """A domain that the user had claimed."""

    domain: ShortText
    verified: bool
    verified_at: Time | None
    created_at: Time


class AgentLine(_ExportLine):
    """An agent of the user."""

    address: ShortText
    domain: ShortText
    name: Name
    mode: Mode
    webhook_url: Url | None
    webhook_off_at: Time | None
    events: Annotated[tuple[ShortText, ...], Field(max_length=50)]
    on_unverified: OnUnverified
    answer_lists: bool = False  # missing in exports of earlier releases
    hitl_enabled: bool
    hitl_ttl_seconds: Annotated[int, Field(ge=1, le=604_800)]
    hitl_expiration_action: ExpirationAction
    is_postmaster: bool
    domain_verified: bool
    created_at: Time
    updated_at: Time | None

    def record(self, user_id: str) -> Agent:
        """An agent of the user with this id."""
        return Agent(**self.model_dump(), user_id=user_id)


class UsageLine(_ExportLine):
    """A usage event."""

    number: Number
    kind: UsageKind
    agent: ShortText
    message_id: ShortText
    bytes: Number
    at: Time

    def record(self) -> UsageEvent:
        """The usage event."""
        return UsageEvent(**self.model_dump())


class SuppressionLine(_ExportLine):
    """An entry of the user's suppression list."""

    address: ShortText
    reason: SuppressionReason
    detail: Annotated[Text, Field(max_length=MAX_DETAIL)]
    message_id: MessageId | None
    created_at: Time

    def record(self) -> Suppression:
        """The suppression list entry."""
        return Suppression(**self.model_dump())


class _OutboundLine(_ExportLine):
    kind: OutboundKind
    to: tuple[ShortText, ...]
    cc: tuple[ShortText, ...]
    bcc: tuple[ShortText, ...]
    names: tuple[tuple[ShortText, ShortText], ...] = ()
    text: Text | None
    html: Text | None
    headers: tuple[tuple[Text, Text], ...]
    revision: Annotated[int, Field(ge=1, le=2**31 - 1)]
    reviewed_by: UserId | None
    reviewed_at: Time | None
    reason: Text | None
    error: Text | None
    scrubbed_at: Time | None

    @model_validator(mode="after")
    def _scrubbed_is_empty(self) -> Self:
        if self.scrubbed_at is not None and (self.text is not None or self.html is not None):
            raise ValueError("a message with scrubbed_at must have no text and no html")
        return self


class MessageLine(_ExportLine):
    """A message of either direction."""

    id: MessageId
    agent: ShortText
    recipient: ShortText
    tag: ShortText | None
    mail_from: ShortText
    remote_ip: ShortText | None
    helo: Text | None
    tls: ShortText | None
    from_name: Text
    from_address: Text
    subject: Text
    email_message_id: Text | None
    automated: bool
    verified: bool
    verified_domain: ShortText | None
    authentication: dict[str, Any] | None
    auth_headers: dict[str, str] | None
    raw_sha256: Sha256 | None
    raw_size: Number
    received_at: Time
    seq: Annotated[int, Field(ge=1, le=_MOST)]
    direction: Literal["inbound", "outbound"]
    status: str
    conversation_id: ShortText | None
    report_of: MessageId | None = None  # earlier releases do not export it
    provider_message_id: ShortText | None
    expires_at: Time

    @model_validator(mode="after")
    def _status_fits(self) -> Self:
        if self.status not in (_INBOUND if self.direction == "inbound" else _OUTBOUND):
            raise ValueError(f"{self.status!r} is not a status of an {self.direction} message")
        if self.direction == "inbound" and self.raw_sha256 is None:
            raise ValueError("an inbound message must have raw_sha256")
        return self

    def record(self, line: ArchiveEntry) -> ImportedMessage:
        """The message with the outbound fields of the same *line*. Raises BadExport."""
        values = self.model_dump()
        extra = {name: values.pop(name) for name in ("provider_message_id", "expires_at")}
        hold = parse(_HoldLine, line).hold_expires_at if self.direction == "outbound" else None
        return ImportedMessage(message=Message(**values), **extra, hold_expires_at=hold, written=self._written(line))

    def _written(self, line: ArchiveEntry) -> ImportedOutbound | None:
        if self.direction == "inbound" or line.values.get("kind") is None:
            return None
        return ImportedOutbound(**parse(_OutboundLine, line).model_dump())


class _HoldLine(_ExportLine):
    hold_expires_at: Time | None


def parse(shape: type[ExportLine], line: ArchiveEntry) -> ExportLine:
    """*line* validated as *shape*. Raises BadExport, naming the line and the field."""
    try:
        return shape.model_validate(line.values)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, problem["loc"]))
        raise line.wrong(f"{field}: {problem['msg']}" if field else problem["msg"]) from error


def header_of(line: ArchiveEntry) -> UserLine:
    """The user of the export.

    Raises BadExport: not a header line, or a schema_version that this release cannot read.
    """
    if line.kind != "header":
        raise line.wrong("the first line must be the header")
    version = line.values.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise line.wrong(f"schema_version is {version!r}, but this release reads {SCHEMA_VERSION}")
    return parse(Header, line).user
