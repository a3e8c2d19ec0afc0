"""What follows from what SES tells: of the mail, of its recipients, for the agent's webhook."""

from hashlib import sha256

import pytest
from structlog.testing import capture_logs

from relay.outbound.couriers.ses.events import parse_event
from relay.outbound.feedback.feedback import apply_event, settle_event
from relay.outbound.local_delivery import deliver_locally
from store.database.connect import open_store
from store.directory.agents import delete_agent
from store.errors import Unavailable
from store.mail.bodies import keep_body
from store.mail.deliveries import list_deliveries_of_message
from store.mail.messages import get_messages_by_agent
from store.mail.usage import list_usage
from store.outbound.feedback import list_feedback
from store.outbound.outbound import create_outbound_message, get_outbound_message
from store.outbound.sending import (
    LEASE,
    claim_queued,
    list_send_attempts,
    settle_failed,
    settle_sent,
    settle_unconfirmed,
)
from store.outbound.suppression import lift_suppression, list_suppressions
from store.outbound.unconfirmed import send_failed_again, sweep_unconfirmed
from store.records.outbound import Draft
from tests.broken_store import give_back_table, lose_table
from tests.outbound.feedback.told import (
    BO,
    CY,
    PROVIDER_ID,
    as_notification,
    bounce,
    complaint,
    delay,
    delivery,
    reject,
    rendering_failure,
    send,
    text,
)
from tests.places import Places, new_outbound
from tests.send_contexts import make_send_context
from tests.store.owned import dump

HOOK = "hook@agents.example"
INSIDE = "inside@agents.example"
WIRE = b"From: hook@agents.example\r\nSubject: hi\r\n\r\nhello\r\n".ljust(1000, b"!")
EVENTS = ["email.sent", "email.failed", "email.delivered", "email.bounced", "email.complained"]
TELLING = [send, delivery, bounce, complaint, delay]


class Scenario:
    """A mail that is being sent, and what SES tells of it."""

    def __init__(self, store, clock, places, events=EVENTS, to=(BO, CY)):
        self.store, self.clock, self.places, self.events = store, clock, places, events
        self.send_context = make_send_context(store, clock, places.master)
        self.owner, self.message = store.run(lambda tx: self._write(tx, to))
        self.outgoing = self.claim()

    def _write(self, tx, to):
        user, now = self.places.user(tx), self.clock.now()
        self.places.domain(tx, user)
        self.places.agent(tx, user, INSIDE)
        agent = self.places.agent(tx, user, HOOK, webhook="https://hooks.example/in", events=self.events)
        wire = sha256(WIRE).hexdigest()
        keep_body(tx, wire, size=len(WIRE), content=WIRE, now=now)
        draft = Draft(to=to, subject="hi", text="hello")
        new = new_outbound(agent.address, at=now, draft=draft, raw_sha256=wire, raw_size=len(WIRE))
        return user, create_outbound_message(tx, new)

    def claim(self):
        (outgoing,) = self.run(lambda tx: claim_queued(tx, limit=1, lease=LEASE, now=self.clock.now()))
        return outgoing

    def run(self, unit):
        return self.store.run(unit)

    def settle(self, how, words=PROVIDER_ID, **more):
        return self.run(lambda tx: how(tx, self.outgoing, words, now=self.clock.now(), **more))

    def arrived(self):
        """What the agent inside has got."""
        asked = {"status": "all", "limit": 50, "cursor": None, "now": self.clock.now()}
        page = self.run(lambda tx: get_messages_by_agent(tx, INSIDE, **asked))
        return [each.from_address for each in page.items]

    def hear(self, event):
        return self.run(lambda tx: settle_event(tx, parse_event(text(event)), ctx=self.send_context))

    def hear_of(self, make, *recipients, **more):
        return self.hear(make(*recipients, attempt=self.outgoing.attempt, **more))

    @property
    def state(self):
        return self.run(lambda tx: get_outbound_message(tx, self.message.id))

    @property
    def told(self):
        """Type and details of each event for the webhook."""
        return [(each.event_type, each.details) for each in self.run(self._deliveries)]

    def _deliveries(self, tx):
        return list_deliveries_of_message(tx, self.message.id)

    @property
    def kept(self):
        """Kind and recipient of each thing that was told."""
        return [(each.kind, each.recipient) for each in self.run(lambda tx: list_feedback(tx, self.message.id))]

    @property
    def suppressed(self):
        page = self.run(lambda tx: list_suppressions(tx, self.owner.id))
        return [(each.address, each.reason, each.message_id) for each in page.items]

    @property
    def counted(self):
        today = self.clock.now().date()
        days = self.run(lambda tx: list_usage(tx, self.owner.id, first=today, last=today))
        return {kind: (amount.count, amount.bytes) for day in days for kind, amount in day.kinds.items()}


@pytest.fixture
def scenario(store, clock, master):
    return Scenario(store, clock, Places(clock, master))


@pytest.fixture
def quick_desk(sqlite_file_url, clock, master):
    store = open_store(sqlite_file_url)
    yield Scenario(store, clock, Places(clock, master))
    store.engine.dispose()


def test_a_delivery_is_kept_and_the_agent_told(scenario):
    scenario.settle(settle_sent)

    assert scenario.message.id == scenario.hear_of(delivery, CY, BO)

    assert [("delivered", BO), ("delivered", CY)] == scenario.kept
    details = {
        "recipients": [{"address": each, "detail": "250 ok: Message 64111812 accepted"} for each in (BO, CY)],
        "permanent": False,
        "at": "2026-11-23T15:16:30Z",
    }
    assert ("email.delivered", details) == scenario.told[-1]
    assert ([], {"sent": (1, 1000)}) == (scenario.suppressed, scenario.counted)


def test_who_bounced_for_good_is_not_written_to_any_more(scenario):
    scenario.settle(settle_sent)

    scenario.hear_of(bounce, BO)

    assert [("bounced", BO)] == scenario.kept
    assert [(BO, "bounced", scenario.message.id)] == scenario.suppressed
    (name, details) = scenario.told[-1]
    assert ("email.bounced", True, BO) == (name, details["permanent"], details["recipients"][0]["address"])
    assert (1, 1000) == scenario.counted["bounced"]


@pytest.mark.parametrize("make", [bounce, complaint])
def test_a_report_that_names_somebody_else_keeps_nobody_from_being_written_to(scenario, make):
    """SES takes the address of a bounce from the report, and that is written by whoever got the mail."""
    scenario.settle(settle_sent)

    scenario.hear_of(make, "boss@customer.example", BO.upper())

    assert [BO] == [address for address, _, _ in scenario.suppressed]
    assert {"boss@customer.example", BO} == {recipient for _, recipient in scenario.kept}


@pytest.mark.parametrize("kind", ["Transient", "Undetermined"])
def test_who_bounced_for_now_may_be_written_to_again(scenario, kind):
    scenario.settle(settle_sent)

    scenario.hear_of(bounce, BO, kind=kind)

    assert ([("bounced", BO)], []) == (scenario.kept, scenario.suppressed)
    assert ("email.bounced", False) == (scenario.told[-1][0], scenario.told[-1][1]["permanent"])


def test_who_complained_is_not_written_to_any_more(scenario):
    scenario.settle(settle_sent)

    scenario.hear_of(complaint, BO)

    assert [(BO, "complained", scenario.message.id)] == scenario.suppressed
    assert ("email.complained", (1, 1000)) == (scenario.told[-1][0], scenario.counted["complained"])


def test_what_may_still_change_is_kept_and_not_told(quick_desk):
    scenario = quick_desk
    scenario.settle(settle_sent)
    before = scenario.told

    scenario.hear_of(delay)

    assert ("delayed", before, []) == (scenario.kept[0][0], scenario.told, scenario.suppressed)


@pytest.mark.parametrize("make", [reject, rendering_failure])
def test_what_the_provider_rejects_after_all_is_told_as_bounced_and_nobody_is_to_blame(quick_desk, make):
    scenario = quick_desk
    scenario.settle(settle_sent)

    scenario.hear_of(make)

    name, details = scenario.told[-1]
    assert ("email.bounced", True, [BO, CY]) == (
        name, details["permanent"], [each["address"] for each in details["recipients"]],
    )  # fmt: skip
    assert ("sent", [], {"sent"}) == (scenario.state.status, scenario.suppressed, scenario.counted.keys())


@pytest.mark.parametrize("make", [send, delivery, bounce, complaint, delay, reject])
def test_an_event_told_twice_changes_nothing_the_second_time(scenario, make):
    scenario.settle(settle_sent)
    scenario.hear(make(attempt=scenario.outgoing.attempt))
    before = dump(scenario.store)

    scenario.clock.advance(seconds=60)
    scenario.hear(make(attempt=scenario.outgoing.attempt))

    assert before == dump(scenario.store)


def test_an_old_bounce_that_comes_again_does_not_undo_its_owner_s_word(quick_desk):
    scenario = quick_desk
    scenario.settle(settle_sent)
    scenario.hear_of(bounce, BO)
    scenario.run(lambda tx: lift_suppression(tx, scenario.owner.id, BO))

    scenario.hear_of(bounce, BO)

    assert [] == scenario.suppressed


def test_of_an_event_with_known_and_new_recipients_only_the_new_follow(quick_desk):
    scenario = quick_desk
    scenario.settle(settle_sent)
    scenario.hear_of(bounce, BO)

    scenario.hear_of(bounce, BO, CY)

    assert [CY] == [each["address"] for each in scenario.told[-1][1]["recipients"]]
    assert (2, 2000) == scenario.counted["bounced"]


def test_a_second_bounce_of_one_recipient_is_told_and_the_first_reason_stays(quick_desk):
    scenario = quick_desk
    scenario.settle(settle_sent)
    scenario.hear_of(bounce, BO)

    scenario.hear_of(complaint, BO)

    assert [(BO, "bounced", scenario.message.id)] == scenario.suppressed
    assert ["email.sent", "email.bounced", "email.complained"] == [name for name, _ in scenario.told]


@pytest.mark.parametrize("make", TELLING)
def test_a_mail_in_doubt_is_sent_once_anything_proves_it(scenario, make):
    scenario.settle(settle_unconfirmed, "the line broke")

    scenario.hear(make(attempt=scenario.outgoing.attempt))

    state = scenario.state
    assert ("sent", PROVIDER_ID, None) == (state.status, state.provider_message_id, state.text)
    assert ["email.sent"] == [name for name, _ in scenario.told if name == "email.sent"]
    assert (1, 1000) == scenario.counted["sent"]
    (attempt,) = scenario.run(lambda tx: list_send_attempts(tx, scenario.message.id))
    assert ("sent", PROVIDER_ID) == (attempt.outcome, attempt.provider_message_id)


def test_a_mail_whose_sender_died_is_sent_once_anything_proves_it(quick_desk):
    scenario = quick_desk
    scenario.clock.advance(minutes=6)
    scenario.run(lambda tx: sweep_unconfirmed(tx, limit=10, now=scenario.clock.now()))
    assert "unconfirmed" == scenario.state.status

    scenario.hear_of(delivery)

    assert "sent" == scenario.state.status


@pytest.mark.parametrize("make", TELLING)
def test_an_event_may_come_before_our_own_settling(scenario, make):
    scenario.hear(make(attempt=scenario.outgoing.attempt))
    assert "sent" == scenario.state.status

    scenario.settle(settle_sent)

    assert ("sent", 1) == (scenario.state.status, [name for name, _ in scenario.told].count("email.sent"))
    assert (1, 1000) == scenario.counted["sent"]


def test_an_event_before_our_own_loss_of_the_answer_is_what_counts(quick_desk):
    scenario = quick_desk
    scenario.hear_of(send)

    scenario.settle(settle_unconfirmed, "the line broke")

    assert "sent" == scenario.state.status


def test_agents_here_get_their_copy_with_the_news_and_only_once(store, clock, master):
    scenario = Scenario(store, clock, Places(clock, master), to=(BO, INSIDE))
    scenario.settle(settle_unconfirmed, "the line broke")
    assert [] == scenario.arrived()

    for make in (send, delivery, delivery):
        scenario.hear_of(make)
    scenario.settle(settle_sent, on_sent=lambda tx, message: deliver_locally(tx, message, ctx=scenario.send_context))

    assert ([HOOK], "sent") == (scenario.arrived(), scenario.state.status)
    assert [("delivered", INSIDE), ("delivered", BO)] == scenario.kept


@pytest.mark.parametrize(
    ("make", "words"), [(reject, "SES rejected it: Bad content"), (rendering_failure, "SES rejected it")]
)
def test_a_mail_in_doubt_that_the_provider_rejects_has_failed_and_can_be_sent_again(scenario, make, words):
    scenario.settle(settle_unconfirmed, "the line broke")

    scenario.hear_of(make)
    scenario.hear_of(make)

    assert ("failed", "hello") == (scenario.state.status, scenario.state.text)
    assert scenario.state.error.startswith(words)
    assert [("email.failed", {"error": scenario.state.error})] == scenario.told
    assert {"rejected"} == {kind for kind, _ in scenario.kept}
    (attempt,) = scenario.run(lambda tx: list_send_attempts(tx, scenario.message.id))
    assert ("failed", scenario.state.error) == (attempt.outcome, attempt.error)
    scenario.run(lambda tx: send_failed_again(tx, scenario.owner.id, scenario.message.id, now=scenario.clock.now()))
    assert "queued" == scenario.state.status


def test_what_is_being_sent_waits_for_its_sender_though_the_provider_rejects_it(quick_desk):
    scenario = quick_desk
    scenario.hear_of(reject)
    assert "sending" == scenario.state.status

    scenario.settle(settle_sent)

    assert ("sent", ["email.bounced", "email.sent"]) == (scenario.state.status, [name for name, _ in scenario.told])


def test_an_event_of_an_attempt_that_failed_is_kept_and_moves_nothing(quick_desk):
    scenario = quick_desk
    scenario.settle(settle_failed, "refused")

    scenario.hear_of(bounce)

    assert ("failed", [("bounced", BO)]) == (scenario.state.status, scenario.kept)


def test_without_the_tag_a_mail_is_known_by_its_header_and_the_provider_s_id(scenario):
    scenario.settle(settle_sent, f"<{PROVIDER_ID}@eu-west-1.amazonses.com>")

    found = scenario.hear(as_notification(bounce(message_id=scenario.message.id)))

    assert (scenario.message.id, [("bounced", BO)]) == (found, scenario.kept)


def test_told_by_both_ways_a_bounce_is_one(quick_desk):
    scenario = quick_desk
    scenario.settle(settle_sent)
    scenario.hear_of(bounce)

    scenario.hear(as_notification(bounce(message_id=scenario.message.id)))

    assert (1, 1000) == scenario.counted["bounced"]


@pytest.mark.parametrize(
    "about",
    [
        {},
        {"attempt": "snd_0"},
        {"message_id": "msg_0"},
        {"message_id": "the mail's", "messageId": "another-id"},
        {"attempt": "snd_0", "message_id": "the mail's", "messageId": "another-id"},
        {"message_id": "an inbound mail's"},
    ],
    ids=str,
)
def test_an_event_of_another_s_mail_changes_nothing(quick_desk, about):
    scenario = quick_desk
    scenario.settle(settle_sent)
    inbound = scenario.run(lambda tx: scenario.places.message(tx, HOOK))
    ids = {"the mail's": scenario.message.id, "an inbound mail's": inbound.id}
    before = dump(scenario.store)

    found = scenario.hear(bounce(**{name: ids.get(value, value) for name, value in about.items()}))

    assert None is found
    assert before == dump(scenario.store)


def test_a_header_proves_nothing_of_a_mail_that_no_provider_has(quick_desk):
    scenario = quick_desk
    scenario.settle(settle_unconfirmed, "the line broke")

    assert None is scenario.hear(bounce(message_id=scenario.message.id))
    assert "unconfirmed" == scenario.state.status


def test_an_event_of_a_mail_that_is_gone_changes_nothing(quick_desk):
    scenario = quick_desk
    scenario.settle(settle_sent)
    scenario.run(lambda tx: delete_agent(tx, scenario.owner.id, HOOK))

    assert None is scenario.hear_of(bounce)
    assert [] == scenario.suppressed


def test_a_recipient_that_is_no_address_is_kept_and_nobody_held_back(scenario):
    scenario.settle(settle_sent)

    scenario.hear_of(bounce, "postmaster", BO)

    assert [("bounced", BO), ("bounced", "postmaster")] == scenario.kept
    assert [BO] == [address for address, _, _ in scenario.suppressed]


def test_an_agent_is_told_only_what_it_has_chosen(sqlite_file_url, clock, master):
    store = open_store(sqlite_file_url)
    scenario = Scenario(store, clock, Places(clock, master), events=["email.received", "email.bounced"])
    scenario.settle(settle_sent)

    for make in (delivery, bounce, complaint):
        scenario.hear_of(make)

    assert ["email.bounced"] == [name for name, _ in scenario.told]
    assert 3 == len(scenario.kept)
    store.engine.dispose()


async def test_what_is_taken_and_what_is_passed_over_is_logged(sqlite_store, clock, master):
    scenario = Scenario(sqlite_store, clock, Places(clock, master))
    told = [
        "Successfully validated SNS topic",
        *(text(bounce(attempt=each)) for each in ("snd_0", scenario.outgoing.attempt)),
    ]

    with capture_logs() as logs:
        for each in told:
            await apply_event(parse_event(each), ctx=scenario.send_context)

    assert ["the event is about no message", "no message of this relay", None] == [each.get("reason") for each in logs]
    assert ("feedback_recorded", scenario.message.id, "bounced") == (
        logs[-1]["event"], logs[-1]["message_id"], logs[-1]["kind"],
    )  # fmt: skip


async def test_a_store_that_cannot_keep_an_event_says_so_and_has_kept_nothing(sqlite_store, clock, master):
    scenario = Scenario(sqlite_store, clock, Places(clock, master))
    scenario.settle(settle_sent)
    event = text(bounce(attempt=scenario.outgoing.attempt))
    lose_table(sqlite_store, "suppressions")

    with pytest.raises(Unavailable):
        await apply_event(parse_event(event), ctx=scenario.send_context)
    assert [] == scenario.kept

    give_back_table(sqlite_store, "suppressions")
    await apply_event(parse_event(event), ctx=scenario.send_context)
    assert [("bounced", BO)] == scenario.kept
