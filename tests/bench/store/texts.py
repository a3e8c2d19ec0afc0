"""The long texts of a mail, as wide as real ones: made by the product, with places for what differs from mail to mail."""

import random
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from relay.auth.verdict import ArcResult, DkimResult, DmarcResult, SpfResult, Verdict
from relay.signing.seal import Statement, seal
from relay.signing.secrets import Secret

_SENDER: Final = "customer.example"
_WORDS: Final = [
    "invoice",
    "order",
    "the",
    "is",
    "delivery",
    "meeting",
    "of",
    "quarter",
    "please",
    "thanks",
    "to",
    "we",
]

VERDICT: Final = Verdict(
    verified=True,
    verified_domain=_SENDER,
    header_from=_SENDER,
    spf=SpfResult(
        result="pass",
        domain=f"mail.{_SENDER}",
        aligned=True,
        detail=f"192.0.2.17 is permitted to send for mail.{_SENDER} by ip4:192.0.2.0/24",
    ),
    dkim=tuple(
        DkimResult(
            result="pass",
            domain=domain,
            selector=selector,
            aligned=domain == _SENDER,
            algorithm="rsa-sha256",
            bits=2048,
            detail=f"the signature of {domain} holds over 9 header fields and the whole body",
        )
        for domain, selector in ((_SENDER, "s2026"), ("provider.example", "k3._transactional"))
    ),
    dmarc=DmarcResult(
        result="pass", policy="reject", domain=_SENDER, detail=f"the From domain {_SENDER} is aligned with DKIM"
    ),
    arc=ArcResult(result="none", sealer=None, detail="no ARC set"),
)


def authentication() -> dict[str, Any]:
    """What a mail's verdict is kept as; some 900 bytes of JSON."""
    return VERDICT.to_dict()


def auth_headers() -> dict[str, str]:
    """A mail's seal, with ``(id)``, ``(to)`` and ``(hash)`` where its own values go; some 800 bytes of JSON then."""
    statement = Statement(
        message_id="(id)",
        recipient="(to)",
        sender=f"bo@{_SENDER}",
        envelope_from=f"bounce-0123456789@mail.{_SENDER}",
        entity_type="human",
        delegation="",
        verified=True,
        verified_domain=_SENDER,
        domain_check=VERDICT.domain_check,
        timestamp=datetime(2026, 11, 24, tzinfo=UTC),
        body_hash="(hash)",
        key_id="key_dn6mit54cr41qaywsxedcrfvtgbyhn",
    )
    return seal(statement, Secret(bytes(32)))


def words() -> str:
    """Plain text that a body is cut from."""
    dice = random.Random(1870)
    return " ".join(dice.choices(_WORDS, k=300))[:1200]


def parameters() -> dict[str, str]:
    """What the statements of rows.py want."""
    head = f"Return-Path: <bounce@{_SENDER}>\r\nReceived: from mx-out.{_SENDER}\r\nSubject: Your order\r\n\r\n"
    return {
        "authentication": orjson.dumps(authentication()).decode(),
        "headers": orjson.dumps(auth_headers()).decode(),
        "words": words(),
        "head": head,
    }
