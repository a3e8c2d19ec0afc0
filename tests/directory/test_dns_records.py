"""The records that a domain's owner publishes."""

from datetime import UTC, datetime

import pytest

from relay.directory.dns_records import DnsIdentity, records_for
from relay.outbound.couriers.registry import COURIERS
from store.records.domains import RecordState
from store.records.mail import Domain

NOW = datetime(2026, 11, 23, 15, 17, tzinfo=UTC)
NAME = "agents.example"
DOMAIN = Domain(
    domain=NAME, user_id="usr_1", token="0123", verified=False, verified_at=None, is_shared=False, created_at=NOW
)
NONE = DnsIdentity(hostname="mx.here.example")
SES = DnsIdentity(hostname="mx.here.example", sending=COURIERS["ses"].records)


def published(*, place=NONE, sending=None, states=()):
    found = [record.to_dict() for record in records_for(DOMAIN, states, place=place, sending=sending)]
    return {record["purpose"]: (record["type"], record["name"], record["value"]) for record in found}


def test_the_proof_and_the_mx_are_always_published():
    assert {
        "ownership": ("TXT", "_mailseal.agents.example", "mailseal-verify=0123"),
        "receiving": ("MX", NAME, "10 mx.here.example"),
    } == published()


@pytest.mark.parametrize(
    ("place", "spf", "dkim"),
    [
        (
            SES,
            "v=spf1 include:amazonses.com ~all",
            ("CNAME", "TOKEN._domainkey.agents.example", "TOKEN.dkim.amazonses.com"),
        ),
        (NONE, "v=spf1 mx ~all", ("TXT", "SELECTOR._domainkey.agents.example", "v=DKIM1; k=rsa; p=PUBLIC_KEY")),
    ],
)
def test_who_sends_is_told_what_lets_receivers_trust_it(place, spf, dkim):
    found = published(place=place, sending=True)

    assert [("TXT", NAME, spf), dkim, ("TXT", "_dmarc.agents.example", "v=DMARC1; p=none")] == [
        found[purpose] for purpose in ("spf", "dkim", "dmarc")
    ]


@pytest.mark.parametrize(
    ("place", "sending", "count"),
    [(NONE, None, 2), (NONE, False, 2), (NONE, True, 5), (SES, None, 5), (SES, True, 5), (SES, False, 2)],
)
def test_records_for_sending_come_where_mail_is_sent_unless_it_is_said(place, sending, count):
    assert count == len(published(place=place, sending=sending))


def test_only_the_proof_and_the_mx_are_required():
    records = [record.to_dict() for record in records_for(DOMAIN, (), place=SES)]

    assert ["ownership", "receiving"] == [record["purpose"] for record in records if record["required"]]


def test_a_record_that_nobody_has_looked_for_is_pending():
    (proof, _) = records_for(DOMAIN, (), place=NONE)

    shown = proof.to_dict()
    assert ("pending", [], None, None) == tuple(
        shown[name] for name in ("status", "found", "checked_at", "missing_since")
    )


def test_a_record_shows_how_it_was_seen():
    state = RecordState(
        purpose="receiving",
        status="mismatch",
        found=("10 mx.elsewhere.example",),
        checked_at=NOW,
        verified_at=NOW,
        missing_since=NOW,
    )

    (_, mx) = records_for(DOMAIN, (state,), place=NONE)

    shown = mx.to_dict()
    assert ("mismatch", ["10 mx.elsewhere.example"], "2026-11-23T15:17:00Z", "2026-11-23T15:17:00Z") == tuple(
        shown[name] for name in ("status", "found", "checked_at", "missing_since")
    )
