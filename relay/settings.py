"""Settings of the operator: `MAILSEAL_…` environment variables and a TOML file.

See docs/contract.md §7. Environment variables override the file. An unknown or invalid setting
prevents the start, with its name and the reason. A command loads the settings once and passes
them on.
"""

import base64
import os
import secrets
import socket
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from relay.backoff import RETRY_SECONDS
from relay.errors import BadAddress, Misconfigured
from relay.listening import show_address
from relay.mail.address import parse_mailbox
from store.database.connect import sqlite_url
from store.names import normalise_domain

PREFIX: Final = "MAILSEAL_"
_TEST_PREFIX: Final = "MAILSEAL_TEST_"  # for the test suite; ignored here
_CLIENT_KEY: Final = "MAILSEAL_API_KEY"  # for clients such as `mailseal listen`; ignored here
DEFAULT_CONFIG: Final = Path("/etc/mailseal/mailseal.toml")  # read where no --config is given, if it is there
_SECRET_FILE: Final = "secret.key"  # noqa: S105 (a name, not a secret)
_MIN_SECRET: Final = 16
_TOPIC: Final = r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]{1,256}$"


def _listed(value: Any) -> Any:
    """Split a comma-separated text; return other values unchanged."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _paths(value: Any) -> Any:
    """Split a comma-separated text; a single path is a list of one."""
    return (value,) if isinstance(value, Path) else _listed(value)


def _endpoint(value: Any) -> Any:
    """Parse ``host:port`` or ``[v6]:port`` to a pair."""
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{value!r} is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _mailbox(value: str) -> str:
    """Parse an agent's address to its normalised form."""
    try:
        return parse_mailbox(value).mailbox
    except BadAddress as error:
        raise ValueError(str(error)) from error


Endpoint = Annotated[tuple[str, int], BeforeValidator(_endpoint)]
Endpoints = Annotated[tuple[Endpoint, ...], BeforeValidator(_listed)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(ip_network)]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_listed)]
Seconds = Annotated[tuple[Annotated[float, Field(ge=0)], ...], BeforeValidator(_listed), Field(min_length=1)]
DomainName = Annotated[str, BeforeValidator(normalise_domain)]
DomainNames = Annotated[tuple[DomainName, ...], BeforeValidator(_listed)]
Mailbox = Annotated[str, BeforeValidator(_mailbox)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_paths)]


class Settings(BaseModel):
    """All settings; field ``x`` is variable ``MAILSEAL_X`` (docs/contract.md §7)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Path("mailseal-data")
    database_url: str | None = None
    database_answer_seconds: float = Field(default=10, ge=1, le=15)
    min_free_bytes: int = Field(default=67_108_864, ge=0)
    workers: int | None = Field(default=1, ge=1, le=64)
    secret_key: str | None = Field(default=None, min_length=_MIN_SECRET, repr=False)
    secret_key_file: Path | None = None
    hostname: DomainName = Field(default_factory=lambda: normalise_domain(socket.getfqdn()))
    smtp_listen: Endpoints = (("127.0.0.1", 2525),)
    http_listen: Endpoints = (("127.0.0.1", 8025),)
    tls_cert_file: Paths = ()
    tls_key_file: Paths = ()
    public_url: str | None = None
    postmaster: Mailbox | None = None
    shared_domain: DomainName | None = None
    dns_nameservers: Endpoints | None = None
    dns_cache_bytes: int = Field(default=64 * 1024 * 1024, ge=65_536)
    dns_queries: int = Field(default=256, ge=8)
    dns_queries_per_peer: int = Field(default=64, ge=1)
    dns_queries_per_mail: int = Field(default=12, ge=1)
    smtp_dnsbl: DomainNames = ()
    smtp_greylist_seconds: float = Field(default=0, ge=0, le=3600)
    max_message_bytes: int = Field(default=36_700_160, ge=65_536)
    max_recipients: int = Field(default=100, ge=1)
    max_connections: int = Field(default=1000, ge=1)
    max_connections_per_peer: int = Field(default=50, ge=1)
    max_line_bytes: int = Field(default=65_536, ge=998)
    max_header_bytes: int = Field(default=262_144, ge=16_384, le=1_048_576)
    max_header_fields: int = Field(default=2000, ge=100)
    max_own_hops: int = Field(default=5, ge=1)
    duplicate_seconds: float = Field(default=86_400, ge=0, le=86_400)
    smtp_idle_seconds: float = Field(default=300, gt=0)
    smtp_data_seconds: float = Field(default=180, gt=0)
    smtp_max_commands: int = Field(default=1000, ge=20)
    smtp_max_errors: int = Field(default=20, ge=1)
    smtp_max_junk: int = Field(default=100, ge=10)
    smtp_delay_after_errors: int = Field(default=10, ge=1)
    smtp_error_delay_seconds: float = Field(default=1, ge=0, le=60)
    smtp_connections_per_minute: int = Field(default=300, ge=0)
    smtp_mails_per_minute: int = Field(default=30_000, ge=0)
    smtp_max_bytes_in_flight: int = Field(default=1024 * 1024 * 1024, ge=1024 * 1024)
    smtp_least_data_rate: float = Field(default=500, ge=0)
    smtp_crowded_idle_seconds: float = Field(default=10, gt=0)
    smtp_banner_wait_seconds: float = Field(default=0, ge=0, le=60)
    smtp_null_path_recipients: int = Field(default=1, ge=1)
    smtp_log_lines_per_peer: int = Field(default=100, ge=0)
    api_rate_per_key: int = Field(default=600, ge=0)
    api_rate_per_user: int = Field(default=3000, ge=0)
    api_failed_keys_per_peer: int = Field(default=60, ge=0)
    api_max_body_bytes: int = Field(default=14_680_064, ge=65_536)
    api_request_seconds: float = Field(default=30, gt=0)
    api_max_connections: int = Field(default=2000, ge=1)
    api_max_connections_per_peer: int = Field(default=100, ge=1)
    api_waits_per_key: int = Field(default=20, ge=1)
    api_waits_per_user: int = Field(default=100, ge=1)
    api_max_bytes_in_flight: int = Field(default=134_217_728, ge=1_048_576)
    http_trusted_proxies: Networks = ()
    webhook_allow_cidrs: Networks = ()
    webhook_retry_seconds: Seconds = tuple(RETRY_SECONDS)
    webhook_timeout_seconds: float = Field(default=15, gt=0)
    webhook_max_in_flight: int = Field(default=8, ge=1)
    webhook_memory_bytes: int = Field(default=33_554_432, ge=0)
    outbound: str = "none"  # a name of the registry (relay/outbound/couriers/registry.py), which checks it
    outbound_max_bytes: int = Field(default=10_485_760, ge=65_536)
    ses_region: str | None = Field(default=None, pattern=r"^[a-z0-9-]{1,40}$")
    ses_endpoint_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+")
    ses_configuration_set: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    smtp_out_host: str | None = Field(default=None, pattern=r"^[^\s/]+$")
    smtp_out_port: int = Field(default=587, ge=1, le=65535)
    smtp_out_username: str | None = None
    smtp_out_password: str | None = Field(default=None, repr=False)
    smtp_out_password_file: Path | None = None
    smtp_out_tls: Literal["starttls", "tls", "none"] = "starttls"
    smtp_out_return_tag: bool = True
    ses_topic_arn: str | None = Field(default=None, pattern=_TOPIC)
    ses_events_secret: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{16,200}$", repr=False)
    outbound_from_domain: DomainName | None = None
    outbound_sends_per_hour: int = Field(default=200, ge=0)
    outbound_replies_per_conversation_hour: int = Field(default=20, ge=0)
    outbound_new_recipients_per_day: int = Field(default=100, ge=0)
    outbound_user_sends_per_hour: int = Field(default=1000, ge=0)
    outbound_user_new_recipients_per_day: int = Field(default=500, ge=0)
    hitl_sweep_seconds: float = Field(default=60, gt=0)
    retention_sweep_seconds: float = Field(default=600, gt=0)
    log_format: Literal["console", "json"] | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _tls_is_a_pair(self) -> "Settings":
        if len(self.tls_cert_file) != len(self.tls_key_file):
            raise ValueError("tls_cert_file and tls_key_file go together: one key for each certificate, in its order")
        return self

    @model_validator(mode="after")
    def _courier_is_complete(self) -> "Settings":
        passwords = [each for each in (self.smtp_out_password, self.smtp_out_password_file) if each is not None]
        if len(passwords) != (0 if self.smtp_out_username is None else 1):
            raise ValueError("smtp_out_username goes with one of smtp_out_password and smtp_out_password_file")
        if passwords and self.smtp_out_tls == "none":
            raise ValueError("smtp_out_tls=none would send the password in clear")
        return self

    @property
    def database(self) -> str:
        """The database URL; by default SQLite in the data directory."""
        return self.database_url or sqlite_url(self.data_dir / "mailseal.db")

    @property
    def secret_place(self) -> str:
        """Where the master key is stored, to show: a variable name or a file path."""
        if self.secret_key is not None:
            return f"{PREFIX}SECRET_KEY"
        return str((self.secret_key_file or self.data_dir / _SECRET_FILE).absolute())

    @property
    def has_master_secret(self) -> bool:
        """Whether the master key is given or its file exists; `master_secret` would make the file."""
        return self.secret_key is not None or Path(self.secret_place).exists()

    @property
    def base_url(self) -> str:
        """The base URL of all links, without a final slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host, port = self.http_listen[0]
        return f"http://{show_address(host, port)}"

    @property
    def spool_dir(self) -> Path:
        """Directory for large messages while they are received."""
        return self.data_dir / "spool"


def load(environ: Mapping[str, str], config: Path | None = None) -> Settings:
    """Load the settings from *environ* and the TOML file *config*.

    *environ* takes precedence. Raises Misconfigured, with one line for each invalid setting.
    """
    given = _from_file(config) if config else {}
    for name, value in environ.items():
        if name.startswith(PREFIX) and not name.startswith(_TEST_PREFIX) and value != "" and name != _CLIENT_KEY:
            given[name.removeprefix(PREFIX).lower()] = value
    try:
        return Settings(**given)
    except ValidationError as error:
        raise Misconfigured("\n".join(_explained(problem) for problem in error.errors())) from error


def master_secret(settings: Settings) -> bytes:
    """The operator's secret, from which the master key is derived; from the setting, or from its file.

    Raises Misconfigured if it is missing, cannot be read, or is too short.
    """
    if settings.secret_key is not None:
        return settings.secret_key.encode()
    return read_secret(Path(settings.secret_place))


def read_secret(path: Path) -> bytes:
    """The secret in the file *path*. Raises Misconfigured as master_secret does."""
    try:
        material = path.read_bytes().strip()
    except FileNotFoundError as error:
        remedy = "put back the key that the store was made with, or name it in MAILSEAL_SECRET_KEY_FILE"
        raise Misconfigured(f"the master key {path} is missing: {remedy}") from error
    except OSError as error:
        raise Misconfigured(f"{PREFIX}SECRET_KEY_FILE: cannot read {path}: {error.strerror}") from error
    if len(material) < _MIN_SECRET:
        raise Misconfigured(f"{PREFIX}SECRET_KEY_FILE: {path} holds less than {_MIN_SECRET} bytes")
    return material


def has_own_secret_file(settings: Settings) -> bool:
    """Whether the master key is in the data directory, where the relay itself makes and replaces it."""
    return settings.secret_key is None and settings.secret_key_file is None


def make_master_secret(settings: Settings) -> None:
    """Create the master key in the data directory, unless it is there or the settings name another place.

    Only for a store without secrets: a new key could not open them. Raises Misconfigured.
    """
    path = Path(settings.secret_place)
    if not has_own_secret_file(settings) or path.exists():
        return
    try:
        make_secret_file(path)
    except OSError as error:
        raise Misconfigured(f"MAILSEAL_DATA_DIR: cannot write {path}: {error.strerror}") from error


def smarthost_password(settings: Settings) -> str | None:
    """The smarthost password, from the setting or from the file it names.

    Raises Misconfigured if the file cannot be read.
    """
    path = settings.smtp_out_password_file
    if path is None:
        return settings.smtp_out_password
    try:
        return path.read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{PREFIX}SMTP_OUT_PASSWORD_FILE: cannot read {path}: {error}") from error


def make_secret_file(path: Path) -> None:
    """Create a file with a new secret, readable only by its owner, unless it exists.

    The name is given to the whole file at once: of two processes that start together one makes it, and after a crash
    it is never half written. Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(32)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        unfinished.unlink()


def _from_file(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise Misconfigured(f"--config: cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"--config: {path} is not TOML: {error}") from error
    return {name.lower().removeprefix(PREFIX.lower()): value for name, value in document.items()}


def _explained(problem: Any) -> str:
    name = PREFIX + str(problem["loc"][0]).upper() if problem["loc"] else "settings"
    if problem["type"] == "extra_forbidden":
        return f"{name}: no such setting"
    return f"{name}: {problem['msg'].removeprefix('Value error, ')}"
