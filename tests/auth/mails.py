"""Mails, keys and zones for the tests of this folder. dkimpy signs: it shares no line with what is tested."""

import base64
from functools import cache
from ipaddress import ip_address

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from relay.mail.address import Address
from relay.mail.envelope import Envelope, Peer

HEAD = (
    b"From: Ana <ana@example.com>\r\n"
    b"To: bot@agents.example\r\n"
    b"Subject: Is dinner\r\n\tready?\r\n"
    b"Date: Mon, 23 Nov 2026 15:17:00 +0000\r\n"
    b"Message-ID: <1@example.com>\r\n"
)
BODY = b"Hi.\r\n\r\nWe lost  the game. \t\r\nAre you hungry yet?\r\n\r\n\r\n"
MAIL = HEAD + b"\r\n" + BODY


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def rsa_record(tags: str = "v=DKIM1; k=rsa", bits: int = 2048) -> str:
    """The TXT record of the RSA key, with *tags* in front."""
    public = rsa_key(bits).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    der = public.public_bytes(serialization.Encoding.DER, form)
    return f"{tags}; p={base64.b64encode(der).decode()}"


def ed25519_record(tags: str = "v=DKIM1; k=ed25519") -> str:
    raw = ed25519_key().public_key().public_bytes_raw()
    return f"{tags}; p={base64.b64encode(raw).decode()}"


def signed(
    mail: bytes = MAIL,
    *,
    domain: str = "example.com",
    selector: str = "s1",
    forms: tuple[str, str] = ("relaxed", "relaxed"),
    bits: int = 2048,
    **options,
) -> bytes:
    """*mail* with a DKIM-Signature on top."""
    secret = rsa_key(bits).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    signature = dkim.sign(
        mail,
        selector.encode(),
        domain.encode(),
        secret,
        canonicalize=(forms[0].encode(), forms[1].encode()),
        **options,
    )
    return signature + mail


def zone(*, dmarc: str | None = "v=DMARC1; p=reject", spf: str | None = "v=spf1 ip4:192.0.2.0/24 -all", **more):
    """What example.com publishes; *more* adds TXT records by name, dots written as ``__``."""
    records = {("s1._domainkey.example.com", "TXT"): [rsa_record()]}
    if dmarc is not None:
        records["_dmarc.example.com", "TXT"] = [dmarc]
    if spf is not None:
        records["example.com", "TXT"] = [spf]
    for name, text in more.items():
        records[name.replace("__", "."), "TXT"] = [text] if isinstance(text, str) else list(text)
    return records


def envelope(mail_from: str | None = "ana@example.com", *, ip: str = "192.0.2.1", helo: str = "mx.example.com"):
    address = None
    if mail_from:
        local, _, domain = mail_from.rpartition("@")
        address = Address(local, domain)
    peer = Peer(ip=ip_address(ip), helo=helo, tls="TLSv1.3", protocol="ESMTPS")
    return Envelope(peer=peer, mail_from=address, rcpt_to=(Address("bot", "agents.example"),))
