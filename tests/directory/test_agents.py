"""Making and changing agents."""

from datetime import timedelta
from ipaddress import ip_network

import pytest

from relay.directory.agents import change_agent, make_secret, read_secrets
from relay.signing.agent_secret import open_secret
from relay.signing.secrets import parse_whsec
from store.directory.agents import add_secret, get_agent_by_email, list_secrets
from store.errors import AddressTaken, AgentNotFound, DomainNotFound, InvalidValue
from store.mail.deliveries import list_deliveries
from tests.one_database import on_sqlite
from tests.places import Places

BOT = "bot@agents.example"
HOOK = "https://hook.example/in"


@pytest.fixture
def owner(store, places):
    def unit(tx):
        user = places.user(tx)
        places.domain(tx, user)
        return user

    return store.run(unit)


@pytest.fixture
def make(store, places, owner):
    return lambda address=BOT, **more: store.run(lambda tx: places.agent(tx, owner, address, **more))


@pytest.fixture
def change(store, owner, clock):
    def to(address=BOT, *, mode=None, webhook_url=None, allow=(), **more):
        return store.run(
            lambda tx: change_agent(
                tx, owner.id, address, mode=mode, webhook_url=webhook_url, allow=allow, now=clock.now(), **more
            )
        )

    return to


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("Bot@Agents.Example", BOT),
        (" bot@agents.example. ", BOT),
        ("bot+eu@agents.example", "bot+eu@agents.example"),
        ("*@agents.example", "*@agents.example"),
        ("jose\u0301@agents.example", "jos\u00e9@agents.example"),
    ],
)
def test_an_agent_is_known_by_its_normalised_address(make, written, address):
    agent = make(written)

    assert (address, "agents.example", True) == (agent.address, agent.domain, agent.domain_verified)


@on_sqlite
@pytest.mark.parametrize(
    "written",
    ["bot", "@agents.example", "bot@", "a b@agents.example", "a@b@agents.example", "a..b@agents.example", "a\0@agents.example",
     "x" * 65 + "@agents.example", ".a@agents.example", "a.@agents.example", "\u200b@agents.example", ""],
)  # fmt: skip
def test_what_is_no_address_makes_no_agent(make, written):
    with pytest.raises(InvalidValue):
        make(written)


def test_an_agent_needs_a_domain_of_its_user(make):
    with pytest.raises(DomainNotFound):
        make("bot@other.example")


def test_an_address_is_given_once(make):
    make()

    with pytest.raises(AddressTaken):
        make("BOT@agents.example")


@on_sqlite
@pytest.mark.parametrize(
    "url",
    [
        "http://hook.example/",
        "ftp://hook.example/",
        "hook.example",
        "",
        "https://",
        "https://user:secret@hook.example/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://hook.example:0/",
        "https://hook.example/a b",
        "https://hook.example/\r\nHost: x",
        "https://hook.example/" + "x" * 2048,
    ],
)
def test_a_webhook_that_could_never_be_posted_to_makes_no_agent(make, store, url):
    with pytest.raises(InvalidValue, match="webhook_url: the URL"):
        make(webhook=url)

    with pytest.raises(AgentNotFound):
        store.run(lambda tx: get_agent_by_email(tx, BOT))


@pytest.mark.parametrize(
    ("url", "network"),
    [
        ("http://127.0.0.1:8000/in", "127.0.0.0/8"),
        ("http://[::1]:8000/in", "::1/128"),
        ("http://hook.internal/in", "10.0.0.0/8"),
    ],
)
def test_the_operator_can_open_a_network_for_webhooks(store, clock, master, url, network):
    places = Places(clock, master, allow=(ip_network(network),))

    def unit(tx):
        user = places.user(tx)
        places.domain(tx, user)
        return places.agent(tx, user, BOT, webhook=url)

    assert url == store.run(unit).webhook_url


@on_sqlite
@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"name": "x" * 201}, "name: at most 200 printable characters"),
        ({"name": "a\nb"}, "name: at most 200 printable characters"),
        ({"name": "\x1b[2J"}, "name: at most 200 printable characters"),
        ({"events": ["email.read"]}, "events: email.read is no event type"),
        ({"on_unverified": "maybe"}, "on_unverified: deliver or reject"),
    ],
)
def test_a_value_that_does_not_fit_says_why(make, values, why):
    with pytest.raises(InvalidValue) as raised:
        make(**values)

    assert why == str(raised.value)


@pytest.mark.parametrize("values", [{"name": "x" * 201}, {"events": ["email.read"]}, {"on_unverified": "maybe"}])
def test_a_change_that_does_not_fit_changes_nothing(store, make, change, values):
    before = make()

    with pytest.raises(InvalidValue):
        change(**values)

    assert before == store.run(lambda tx: get_agent_by_email(tx, BOT))


def test_an_agent_keeps_what_it_was_made_with(make):
    agent = make(webhook=HOOK, name="Support", events=["email.received", "email.sent"], on_unverified="reject")

    assert ("webhook", HOOK, "Support", ("email.received", "email.sent"), "reject") == (
        agent.mode, agent.webhook_url, agent.name, agent.events, agent.on_unverified,
    )  # fmt: skip


def test_what_is_not_named_stays(make, change):
    made = make(webhook=HOOK, name="Support", on_unverified="reject")

    assert made == change()


def test_a_name_can_be_emptied(make, change):
    make(name="Support")

    assert "" == change(name="").name


def test_a_url_alone_means_webhook_mode(make, change):
    make()

    changed = change(webhook_url=HOOK)

    assert ("webhook", HOOK) == (changed.mode, changed.webhook_url)


def test_a_url_can_be_kept_for_later(make, change):
    make()

    changed = change(mode="poll", webhook_url=HOOK)

    assert ("poll", HOOK) == (changed.mode, changed.webhook_url)


def test_webhook_mode_needs_a_url(make, change):
    make()

    with pytest.raises(InvalidValue):
        change(mode="webhook")


def test_a_forbidden_url_is_refused_in_a_change_too(make, change):
    make()

    with pytest.raises(InvalidValue, match="webhook_url"):
        change(webhook_url="https://10.0.0.1/")


def test_what_a_webhook_has_not_had_waits_in_the_queue_after_a_change_to_polling(store, places, make, change):
    make(webhook=HOOK)
    store.run(lambda tx: places.message(tx, BOT))

    change(mode="poll")

    (delivery,) = store.run(lambda tx: list_deliveries(tx, agent=BOT)).items
    assert ("dead", "the agent was switched to poll mode") == (delivery.status, delivery.last_error)


def test_a_strangers_agent_cannot_be_changed(store, places, make, clock):
    make()
    stranger = store.run(lambda tx: places.user(tx, "eve@evil.example"))

    with pytest.raises(AgentNotFound):
        store.run(
            lambda tx: change_agent(
                tx, stranger.id, BOT, mode=None, webhook_url=None, allow=(), name="mine", now=clock.now()
            )
        )


def test_every_agent_has_a_secret_of_its_own(store, make, clock, master):
    make()
    make("other@agents.example")

    secrets = {
        store.run(lambda tx, address=address: read_secrets(tx, address, master=master, now=clock.now()))[0]["secret"]
        for address in (BOT, "other@agents.example")
    }

    assert 2 == len(secrets)


def test_a_secret_is_shown_as_standard_webhooks_wants_it(store, make, clock, master):
    make()

    (shown,) = store.run(lambda tx: read_secrets(tx, BOT, master=master, now=clock.now()))

    (kept,) = store.run(lambda tx: list_secrets(tx, BOT, now=clock.now()))
    assert open_secret(kept, master=master) == parse_whsec(shown.pop("secret"))
    assert {"key_id": kept.key_id, "created_at": "2026-11-23T15:17:00Z", "expires_at": None} == shown


def test_a_secret_is_not_stored_in_clear(store, make, clock, master):
    make()

    (kept,) = store.run(lambda tx: list_secrets(tx, BOT, now=clock.now()))

    assert open_secret(kept, master=master).value not in kept.sealed


@pytest.mark.parametrize("after", [(0, 2), (23.9, 2), (24, 1)])
def test_after_a_rotation_the_old_secret_is_valid_for_a_day(store, make, clock, master, after):
    hours, valid = after
    make()
    clock.advance(minutes=1)
    fresh = make_secret(BOT, master=master, now=clock.now())
    store.run(lambda tx: add_secret(tx, fresh))

    later = clock.now() + timedelta(hours=hours)
    shown = store.run(lambda tx: read_secrets(tx, BOT, master=master, now=later))

    assert (fresh.key_id, valid) == (shown[0]["key_id"], len(shown))


@pytest.mark.parametrize("address", ["agents@letters.example", "Agents@letters.example", "agents+eu@letters.example"])
def test_the_address_that_sends_for_all_users_is_no_agent_s(store, places, address):
    def unit(tx):
        user = places.user(tx)
        places.domain(tx, user, "letters.example")
        places.agent(tx, user, "agents.bot@letters.example", letters_domain="letters.example")
        places.agent(tx, user, address, letters_domain="letters.example")

    with pytest.raises(InvalidValue, match="belongs to the relay"):
        store.run(unit)
