"""What Amazon SNS posts, and the proof that it did: a signature under a certificate from its own host. Pure.

A message is JSON, signed over some of its fields, each as its name and its value on a line of their own, in the
order of the names. Which fields those are depends on the type. Version 1 of the signature hashes with SHA-1,
version 2 with SHA-256; both are RSA with PKCS #1 v1.5. The message itself names the URL of the certificate, so the
proof rests on the host of that URL: it must be the host of SNS in the region of the operator's topic.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol
from urllib.parse import parse_qs

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509 import Certificate

from relay.errors import UnprovenEvent

NOTIFICATION: Final = "Notification"
CONFIRMATION: Final = "SubscriptionConfirmation"

# SNS tries an endpoint for an hour at most. As much again is for clocks, as what is refused for its age is lost. That
# a message can be played back meanwhile does no harm: a second time it changes nothing (feedback.py).
MAX_AGE: Final = timedelta(hours=2)
MAX_AHEAD: Final = timedelta(minutes=15)

# One step and no query: a host that answers questions could be asked one whose answer is another's words.
_CERTIFICATE_PATH: Final = re.compile(r"/[A-Za-z0-9_-]{1,200}\.pem", re.ASCII)
_SUBSCRIBING_QUERY: Final = re.compile(r"/\?([A-Za-z0-9%&=:._~+-]{1,4000})", re.ASCII)
_TOPIC: Final = re.compile(r"arn:(aws[a-z-]*):sns:([a-z0-9-]{1,40}):[0-9]{12}:[A-Za-z0-9_.-]{1,256}", re.ASCII)
_SUFFIXES: Final[Mapping[str, str]] = {"aws-cn": "amazonaws.com.cn"}  # of the partitions that differ
_SUFFIX: Final = "amazonaws.com"
_OF_SUBSCRIPTIONS: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED: Final[Mapping[str, tuple[str, ...]]] = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: _OF_SUBSCRIPTIONS,
    "UnsubscribeConfirmation": _OF_SUBSCRIPTIONS,
}
_OPTIONAL: Final = "Subject"
_HASHES: Final[Mapping[str, HashAlgorithm]] = {"1": SHA1(), "2": SHA256()}  # noqa: S303 (a topic's default)


class SnsApi(Protocol):
    """Asks SNS for the proof of what it posted."""

    async def certificate(self, url: str) -> Certificate:
        """The certificate at *url*, which was checked. Raises SnsUnreachable."""
        ...

    async def confirm(self, url: str) -> None:
        """Begin a subscription by asking for *url*, which was checked. Raises SnsUnreachable."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SnsMessage:
    """A message as it was posted. Nothing of it is proved yet."""

    kind: str  # NOTIFICATION, CONFIRMATION or UnsubscribeConfirmation
    message_id: str
    topic_arn: str
    message: str  # of a notification: what was published
    at: datetime
    certificate_url: str  # not checked
    subscribe_url: str | None = field(repr=False)  # not checked
    token: str | None = field(repr=False)
    signature: bytes = field(repr=False)
    algorithm: HashAlgorithm = field(repr=False)
    signed: bytes = field(repr=False)  # what the signature is over


def parse_sns(body: bytes) -> SnsMessage:
    """What *body* says. Raises UnprovenEvent for what SNS would not post."""
    told = _texts(body)
    kind = told.get("Type", "")
    if kind not in _SIGNED:
        raise UnprovenEvent(f"not a type of SNS's messages: {kind[:100]!r}")
    missing = ({*_SIGNED[kind], "Signature", "SigningCertURL"} - told.keys()) - {_OPTIONAL}
    if missing:
        raise UnprovenEvent(f"SNS's message lacks {', '.join(sorted(missing))}")
    algorithm = _HASHES.get(told.get("SignatureVersion", ""))
    if algorithm is None:
        raise UnprovenEvent("only versions 1 and 2 of SNS's signature are known")
    return SnsMessage(
        kind=kind,
        message_id=told["MessageId"],
        topic_arn=told["TopicArn"],
        message=told["Message"],
        at=_time(told["Timestamp"]),
        certificate_url=told["SigningCertURL"],
        subscribe_url=told.get("SubscribeURL"),
        token=told.get("Token"),
        signature=_decoded(told["Signature"]),
        algorithm=algorithm,
        signed="".join(f"{name}\n{told[name]}\n" for name in _SIGNED[kind] if name in told).encode(),
    )


def check_message(message: SnsMessage, *, topic_arn: str, now: datetime) -> None:
    """Raise UnprovenEvent for another topic's message, one of another time, and one whose proof must not be fetched."""
    if message.topic_arn != topic_arn:
        raise UnprovenEvent("this is not the topic that is listened to here (MAILSEAL_SES_TOPIC_ARN)")
    if not -MAX_AHEAD <= now - message.at <= MAX_AGE:
        raise UnprovenEvent("SNS's message is too old, or a clock is wrong")
    path = _at_sns(message.certificate_url, topic_arn)
    if path is None or not _CERTIFICATE_PATH.fullmatch(path):
        raise UnprovenEvent("SigningCertURL is not where SNS keeps its certificates")


def verify_message(message: SnsMessage, certificate: Certificate, *, now: datetime) -> None:
    """Raise UnprovenEvent unless *message* is signed by the key of *certificate*."""
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise UnprovenEvent("the certificate's time is not now")
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise UnprovenEvent("the certificate's key is not one of RSA")
    try:
        key.verify(message.signature, message.signed, PKCS1v15(), message.algorithm)
    except (InvalidSignature, UnsupportedAlgorithm) as error:
        raise UnprovenEvent("the signature is not the certificate's") from error


def confirmation_url(message: SnsMessage) -> str:
    """What to ask for so that the subscription of a verified CONFIRMATION begins. Raises UnprovenEvent."""
    url = message.subscribe_url or ""
    found = _SUBSCRIBING_QUERY.fullmatch(_at_sns(url, message.topic_arn) or "")
    asked = parse_qs(found[1]) if found else {}
    wanted = {"Action": ["ConfirmSubscription"], "TopicArn": [message.topic_arn], "Token": [message.token]}
    if {name: asked.get(name) for name in wanted} != wanted:
        raise UnprovenEvent("SubscribeURL does not confirm this subscription at SNS")
    return url


def _at_sns(url: str, topic_arn: str) -> str | None:
    """Path and query of *url* if its host is SNS in the region of the topic.

    Every region has one host, and no other host below amazonaws.com is SNS: sns.s3.amazonaws.com is any customer's.
    """
    topic = _TOPIC.fullmatch(topic_arn)
    if topic is None:
        return None
    host = f"https://sns.{topic[2]}.{_SUFFIXES.get(topic[1], _SUFFIX)}"
    return url.removeprefix(host) if url.startswith(f"{host}/") else None


def _texts(body: bytes) -> dict[str, str]:
    """The fields of *body* that hold text."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnprovenEvent("the body cannot be read as JSON") from error
    if not isinstance(document, dict):
        raise UnprovenEvent("the body is no message of SNS (is raw message delivery on?)")
    return {name: value for name, value in document.items() if isinstance(value, str)}


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise UnprovenEvent("Timestamp is no time") from error
    if at.tzinfo is None:
        raise UnprovenEvent("Timestamp is no time")
    return at


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UnprovenEvent("Signature is not base64") from error
