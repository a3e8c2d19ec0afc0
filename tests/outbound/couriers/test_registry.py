"""The registry of couriers: what a row is asked for, and a new courier that is one row and its own module."""

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

from relay.checkup.sending import check_sending
from relay.dns.sending_records import SendingRecords
from relay.errors import Misconfigured
from relay.finding import ok
from relay.outbound.context import SendContext
from relay.outbound.couriers.courier_kind import CourierKind, DomainSetup
from relay.outbound.couriers.registry import COURIERS, find_courier, make_courier, make_event_sources
from relay.outbound.feedback.event_source import events_secret
from relay.outbound.feedback.feedback import apply_event
from relay.outbound.feedback.provider_event import ProviderEvent, RecipientFeedback
from relay.outbound.send import send_queued
from relay.settings import load
from relay.web.api.provider_events import make_router
from relay.wiring import make_send_context
from store.mail.deliveries import list_deliveries_of_message
from store.outbound.feedback import list_feedback
from store.outbound.outbound import create_outbound_message, get_outbound_message
from store.outbound.sending import LEASE, claim_queued
from store.records.outbound import Draft
from tests.fakes import FakeCourier
from tests.outbound.feedback.told import BO
from tests.places import Places, new_outbound

# A courier as a module of its own would have it: its row is all that the relay is told.


@dataclass(frozen=True)
class PigeonEvents:
    """Takes ``{"attempt": …, "lost": ADDRESS}`` as a permanent bounce."""

    send_context: SendContext
    secret: str

    async def take(self, body):
        said = json.loads(body)
        lost = RecipientFeedback(recipient=said["lost"], address=said["lost"], detail="eaten by a hawk")
        event = ProviderEvent(
            provider="the pigeon post",
            kind="bounced",
            event_id=f"lost-{said['attempt']}",
            provider_message_id=said["attempt"],
            attempt_id=said["attempt"],
            message_id=None,
            is_permanent=True,
            recipients=(lost,),
            at=None,
        )
        await apply_event(event, ctx=self.send_context)


async def check_pigeons(settings, domains):
    return [ok("pigeons", f"{settings.smtp_out_host} has pigeons for {', '.join(domains)}")]


PIGEON = CourierKind(
    name="pigeon",
    needs=("smtp_out_host",),
    make=lambda _settings, _count: FakeCourier(),
    records=SendingRecords(
        spf="include:loft.example",
        dkim_type="TXT",
        dkim_selector="coo",
        dkim_value="v=DKIM1",
        dkim_note="From the loft.",
    ),
    check=check_pigeons,
    set_up_domain=lambda _settings, domain: DomainSetup(domain, is_verified=True, records=(), are_seen=True),
    takes_events=True,
    event_source=lambda _settings, ctx: PigeonEvents(ctx, events_secret(ctx.master, "pigeon")),
)
ALL = {**COURIERS, PIGEON.name: PIGEON}


@pytest.fixture
async def started(store):
    store.start()
    yield store
    await store.stop()


@pytest.fixture
def settings():
    return load({"MAILSEAL_OUTBOUND": "pigeon", "MAILSEAL_SMTP_OUT_HOST": "loft.example"})


async def test_a_courier_of_one_row_sends_a_message_and_its_event_reaches_the_agent(started, clock, master, settings):
    store = started
    ctx = make_send_context(settings, store=store, clock=clock, master=master, couriers=ALL)
    places = Places(clock, master)

    def write(tx):
        user = places.user(tx)
        places.domain(tx, user)
        events = ["email.sent", "email.bounced"]
        agent = places.agent(tx, user, "bot@agents.example", webhook="https://hooks.example/in", events=events)
        return create_outbound_message(
            tx, new_outbound(agent.address, at=clock.now(), draft=Draft(to=(BO,), text="coo"))
        )

    message = store.run(write)
    [outgoing] = store.run(lambda tx: claim_queued(tx, limit=1, lease=LEASE, now=clock.now()))
    await send_queued(outgoing, ctx=ctx)
    [(_, _, recipients, attempt)] = ctx.courier.taken
    sources = make_event_sources(settings, ctx, ALL)
    for _ in range(2):
        await sources["pigeon"].take(json.dumps({"attempt": attempt, "lost": BO}).encode())

    assert ((BO,), "sent") == (recipients, store.run(lambda tx: get_outbound_message(tx, message.id)).status)
    assert [("bounced", "eaten by a hawk")] == [
        (each.kind, each.detail) for each in store.run(lambda tx: list_feedback(tx, message.id))
    ]
    assert ["email.sent", "email.bounced"] == [
        each.event_type for each in store.run(lambda tx: list_deliveries_of_message(tx, message.id))
    ]


async def test_the_doctor_asks_the_row(settings):
    [found] = await check_sending(settings, domains=["agents.example"], couriers=ALL)

    assert "loft.example has pigeons for agents.example" == found.seen


def test_a_courier_that_takes_events_has_a_path_of_its_own():
    assert ["/pigeon/events/{secret}"] == [route.path for route in make_router(["pigeon"]).routes]


def test_a_setting_that_the_row_needs_stops_the_start():
    with pytest.raises(Misconfigured, match="outbound=pigeon needs smtp_out_host"):
        find_courier(load({"MAILSEAL_OUTBOUND": "pigeon"}), ALL)


@pytest.mark.parametrize(
    ("outbound", "why"),
    [("smtp", "needs smtp_out_host"), ("post", "MAILSEAL_OUTBOUND: 'post' is no courier; set one of none, ses, smtp")],
)
def test_a_courier_that_could_not_send_stops_the_start(outbound, why):
    with pytest.raises(Misconfigured, match=why):
        find_courier(load({"MAILSEAL_OUTBOUND": outbound}))


@pytest.mark.parametrize("outbound", ["none", "smtp"])
def test_a_row_is_found_by_its_name(outbound):
    settings = load({"MAILSEAL_OUTBOUND": outbound, "MAILSEAL_SMTP_OUT_HOST": "out.example"})

    assert (outbound, outbound == "smtp") == (find_courier(settings).name, make_courier(settings) is not None)


def test_the_registry_and_the_daemon_import_no_courier_that_was_not_chosen():
    code = "import sys, relay.daemon, relay.checkup.examine; assert 'boto3' not in sys.modules"

    subprocess.run([sys.executable, "-c", code], check=True)
    light = (
        "import sys, relay.outbound.couriers.registry; assert not {'boto3', 'smtplib', 'aiohttp'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", light], check=True)


@pytest.mark.parametrize(
    ("variables", "is_tagged"),
    [
        ({"MAILSEAL_OUTBOUND": "smtp", "MAILSEAL_SMTP_OUT_HOST": "smtp.example"}, True),
        (
            {
                "MAILSEAL_OUTBOUND": "smtp",
                "MAILSEAL_SMTP_OUT_HOST": "smtp.example",
                "MAILSEAL_SMTP_OUT_RETURN_TAG": "false",
            },
            False,
        ),
        ({"MAILSEAL_OUTBOUND": "none", "MAILSEAL_SMTP_OUT_RETURN_TAG": "true"}, False),
    ],
)
def test_the_reverse_path_is_tagged_where_the_setting_and_the_courier_allow_it(
    started, clock, master, variables, is_tagged
):
    context = make_send_context(load(variables), store=started, clock=clock, master=master)

    assert is_tagged == context.tags_return_path
