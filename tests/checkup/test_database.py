"""The database as it is found, and what it knows of webhooks."""

from datetime import timedelta

import pytest

from relay.checkup.database import check_database, check_webhooks, verified_domains
from relay.settings import Settings
from store.directory.diagnostics import FailingWebhook, database_time, list_failing_webhooks
from store.mail.deliveries import claim_due, enqueue, settle_dead, settle_retry
from store.records.mail import Attempt
from tests.places import Places

MINUTE = timedelta(minutes=1)
HOOK = "hook@agents.example"


@pytest.fixture
def settings(tmp_path, database_url):
    key = "a master key for tests only"  # that of the fixture `master`
    return Settings(data_dir=tmp_path, database_url=database_url, hostname="mx.here.example", secret_key=key)


@pytest.fixture
def hook(store, clock, master):
    """An agent whose webhook had three events: one failed once, one was given up, one is under way."""
    places = Places(clock, master)
    user = store.run(places.user)
    store.run(lambda tx: places.domain(tx, user))
    store.run(lambda tx: places.agent(tx, user, HOOK, webhook="https://hooks.example/in"))

    def deliver(tx):
        now = clock.now()
        for _ in range(3):
            enqueue(tx, agent=HOOK, event_type="email.received", message_id=None, now=now)
        first, second = claim_due(tx, HOOK, limit=2, lease=MINUTE, now=now)
        attempt = Attempt(at=now, duration_ms=5, status=500, error="HTTP 500")
        settle_retry(tx, first, attempt, due_at=now + MINUTE)
        settle_dead(tx, second, attempt, now=now)

    store.run(deliver)


def test_a_webhook_in_trouble_is_known(store, hook, clock):
    week = clock.now() - timedelta(days=7)

    assert [FailingWebhook(agent=HOOK, dead=1, waiting=1, error="HTTP 500")] == store.run(
        lambda tx: list_failing_webhooks(tx, since=week)
    )
    assert [0] == [each.dead for each in store.run(lambda tx: list_failing_webhooks(tx, since=clock.now() + MINUTE))]


def test_it_is_told_with_what_it_said_last(settings, hook, clock):
    (found,) = check_webhooks(settings, now=clock.now())

    assert ("warning", f"webhook of {HOOK}") == (found.state, found.name)
    assert "1 dead, 1 waiting for a retry; last error: HTTP 500" == found.seen


def test_a_database_as_it_should_be_is_ok(settings, store, system_clock):
    found = {each.name: each.state for each in check_database(settings, clock=system_clock)}

    expected = {
        "database": "ok",
        "store's master key": "ok",
        "database writable": "ok",
        "database's clock": "ok",
    }
    assert expected == found


def test_another_key_than_the_store_s_is_said(settings, hook, system_clock):
    other = settings.model_copy(update={"secret_key": "another master key altogether"})

    found = {each.name: each for each in check_database(other, clock=system_clock)}

    assert "failing" == found["store's master key"].state
    assert "MAILSEAL_SECRET_KEY is not the key of this store" == found["store's master key"].seen


def test_an_empty_file_is_no_store(tmp_path, clock):
    (tmp_path / "mailseal.db").touch()
    settings = Settings(data_dir=tmp_path, hostname="mx.here.example")

    (found,) = check_database(settings, clock=clock)

    assert ("failing", True) == (found.state, "restore BACKUP" in found.remedy)


def test_a_clock_that_is_apart_is_said(settings, store, clock):
    clock.advance(days=400)
    (found,) = [each.state for each in check_database(settings, clock=clock) if each.name == "database's clock"]

    assert ("failing" if store.run(database_time) else "ok") == found


def test_verified_domains_are_found(settings, store, hook):
    assert ["agents.example"] == [each.domain for each in verified_domains(settings)]


def test_no_webhook_in_trouble_is_ok(tmp_path, sqlite_file_url, clock):
    settings = Settings(data_dir=tmp_path, database_url=sqlite_file_url, hostname="mx.here.example")

    assert ["ok"] == [each.state for each in check_webhooks(settings, now=clock.now())]


@pytest.mark.parametrize(
    "url", ["sqlite:////nonexistent/mailseal.db", "postgresql://127.0.0.1:9/none", "mysql://x", "postgresql://h:x/"]
)
def test_a_database_that_is_not_there_is_said_and_not_made(tmp_path, clock, url):
    settings = Settings(data_dir=tmp_path, database_url=url, hostname="mx.here.example")

    assert ["failing"] == [each.state for each in check_database(settings, clock=clock)]
    assert [] == list(tmp_path.iterdir())
