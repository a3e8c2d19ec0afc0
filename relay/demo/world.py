"""Input of the demonstration: a DNS zone, a sender's DKIM key, and three messages from files."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import dkim
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

HOSTNAME: Final = "mx.relay.example"
DOMAIN: Final = "agents.example"
OWNER: Final = "owner@relay.example"
WEBHOOK_AGENT: Final = f"support@{DOMAIN}"
POLL_AGENT: Final = f"archive@{DOMAIN}"
_SENDER: Final = "customer.example"
_SELECTOR: Final = b"demo"
_KEY_LINE: Final = re.compile(r"-----[A-Z ]+-----|\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoMail:
    """One message to send, and the expected verdict."""

    title: str
    mail_from: str  # empty for the null path
    content: bytes
    verified: bool  # the expected verdict


@dataclass(frozen=True, slots=True)
class World:
    """What is outside the relay: DNS and messages."""

    zone: Mapping[tuple[str, str], Sequence[str]]
    mails: Sequence[DemoMail]


def make_world() -> World:
    """A zone in which this machine may send for customer.example only, and one message for each verdict."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    zone = {
        (_SENDER, "TXT"): ["v=spf1 ip4:127.0.0.1 -all"],
        (f"{_SELECTOR.decode()}._domainkey.{_SENDER}", "TXT"): [f"v=DKIM1; k=rsa; p={_KEY_LINE.sub('', public)}"],
        (f"_dmarc.{_SENDER}", "TXT"): ["v=DMARC1; p=reject"],
        ("bank.example", "TXT"): ["v=spf1 -all"],
        ("_dmarc.bank.example", "TXT"): ["v=DMARC1; p=reject"],
        ("elsewhere.example", "TXT"): ["v=spf1 -all"],
    }
    return World(zone, (_signed(private), _spoofed(), _bounce()))


def _signed(private: bytes) -> DemoMail:
    content = _file("signed")
    fields = [b"from", b"to", b"subject", b"date", b"message-id"]
    signature = dkim.sign(content, _SELECTOR, _SENDER.encode(), private, include_headers=fields)
    return DemoMail(title="signed", mail_from=f"ana@{_SENDER}", content=signature + content, verified=True)


def _spoofed() -> DemoMail:
    return DemoMail(title="spoofed", mail_from="accounts@bank.example", content=_file("spoofed"), verified=False)


def _bounce() -> DemoMail:
    return DemoMail(title="bounce <>", mail_from="", content=_file("bounce"), verified=False)


def _file(name: str) -> bytes:
    text = files("relay.demo").joinpath("letters", f"{name}.eml").read_bytes()
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
