# ruff: noqa: PLR0917 (pytest hands fixtures over by name)

import tracemalloc
from collections import Counter

import orjson
import pytest
from sqlalchemy import LargeBinary, select

from store.directory.agents import delete_agent, list_agents_by_user
from store.directory.domains import claim_or_create_domain
from store.directory.keys import list_api_keys
from store.errors import UserNotFound
from store.records.mail import Message
from store.records.people import Exported
from store.schema.inbound import metadata
from store.upkeep.export import PAGE, SCHEMA_VERSION, export_user_data
from tests.store.owned import multiply, own_everything

ANA, BO = "ana@owner.example", "bo@owner.example"
DOMAIN, OTHER = "agents.example", "others.example"
MANY = 20_000
MEMORY = 30 * 1024 * 1024


@pytest.fixture
def ana(store, places):
    own_everything(store, places, BO, OTHER)
    return own_everything(store, places, ANA, DOMAIN)


@pytest.fixture
def export(store, clock):
    def ask(user):
        with store.snapshot() as tx:
            return list(export_user_data(tx, user.id, now=clock.now()))

    return ask


def of_kind(kind, told):
    return [each.values for each in told if each.kind == kind]


def test_a_header_comes_first_and_then_kind_by_kind(ana, export):
    told = export(ana)

    kinds = list(dict.fromkeys(each.kind for each in told))
    assert ["header", "domain", "agent", "api_key", "message", "usage_event", "suppression"] == kinds
    assert {
        "header": 1,
        "domain": 1,
        "agent": 3,
        "api_key": 2,
        "message": 7,
        "usage_event": 5,
        "suppression": 1,
    } == Counter(each.kind for each in told)


def test_the_header_says_whose_it_is_and_of_when(ana, export, clock):
    header = export(ana)[0]

    user = {"id": ana.id, "email": ANA, "name": "", "created_at": ana.created_at, "updated_at": None}
    assert Exported("header", {"generated_at": clock.now(), "schema_version": SCHEMA_VERSION, "user": user}) == header
    assert 1 == SCHEMA_VERSION


def test_domains_are_told_with_their_state(store, ana, export, clock):
    store.run(lambda tx: claim_or_create_domain(tx, ana.id, "later.example", token="secret", now=clock.now()))

    now = clock.now()
    assert [
        {"domain": DOMAIN, "verified": True, "verified_at": now, "created_at": now},
        {"domain": "later.example", "verified": False, "verified_at": None, "created_at": now},
    ] == of_kind("domain", export(ana))


def test_agents_are_told_as_their_owner_sees_them(store, ana, export):
    agents = store.run(lambda tx: list_agents_by_user(tx, ana.id))

    told = of_kind("agent", export(ana))

    assert [agent.address for agent in agents] == [values["address"] for values in told]
    for agent, values in zip(agents, told, strict=True):
        assert {name: getattr(agent, name) for name in values} == values
        assert {"mode", "webhook_url", "domain_verified", "hitl_enabled"} <= values.keys()


def test_keys_are_told_by_what_lists_show(store, ana, export):
    keys = store.run(lambda tx: list_api_keys(tx, ana.id))

    names = ["id", "name", "prefix", "created_at", "last_used_at", "agent", "scopes"]
    assert [{name: getattr(key, name) for name in names} for key in keys] == of_kind("api_key", export(ana))


def test_messages_of_both_directions_are_told_agent_by_agent_in_order(ana, export):
    told = of_kind("message", export(ana))

    assert [
        (f"hook@{DOMAIN}", 1, "inbound", "unread"),
        (f"hook@{DOMAIN}", 2, "inbound", "unread"),
        (f"poll@{DOMAIN}", 1, "inbound", "unread"),
        (f"poll@{DOMAIN}", 2, "inbound", "unread"),
        (f"poll@{DOMAIN}", 3, "outbound", "queued"),
        (f"poll@{DOMAIN}", 4, "outbound", "sent"),
        (f"poll@{DOMAIN}", 5, "outbound", "pending_approval"),
    ] == [(values["agent"], values["seq"], values["direction"], values["status"]) for values in told]


def test_everything_that_is_known_of_a_received_mail_is_told(ana, export):
    first = of_kind("message", export(ana))[0]

    assert {*Message.__slots__, *Message.__mro__[1].__slots__, "provider_message_id", "expires_at"} == first.keys()
    assert ({"verified": True}, {"Mailseal-Version": "1"}) == (first["authentication"], first["auth_headers"])
    assert 1 == len([each for each in of_kind("message", export(ana)) if each.get("report_of")])


def test_a_written_mail_is_told_with_people_texts_and_the_names_of_files(ana, export):
    queued = of_kind("message", export(ana))[4]

    expected = {
        "kind": "send",
        "to": ["bo@reader.example", "cy@reader.example"],
        "cc": ["di@reader.example"],
        "bcc": ["ed@reader.example"],
        "names": [["cy@reader.example", "Cy"], ["ed@reader.example", "Ed"]],
        "subject": "Grüße",
        "text": "hello",
        "html": "<p>hello</p>",
        "headers": [],
        "attachments": [{"number": 0, "filename": "a.pdf", "content_type": "application/pdf", "size": 4}],
        "scrubbed_at": None,
    }
    assert expected == {name: queued[name] for name in expected}


def test_of_a_mail_that_was_sent_is_told_what_is_left(ana, export, clock):
    sent, failed = of_kind("message", export(ana))[5:]

    left = {"text": None, "html": None, "attachments": [], "scrubbed_at": clock.now(), "provider_message_id": "0100-1"}
    assert left == {name: sent[name] for name in left}
    assert ["bo@reader.example", "cy@reader.example"] == sent["to"]
    assert ("hello", "0100-1") == (failed["text"], failed["error"])


def test_usage_is_told_in_the_order_in_which_it_was_counted(ana, export):
    told = of_kind("usage_event", export(ana))

    assert ["received"] * 4 + ["sent"] == [values["kind"] for values in told]
    assert sorted(values["number"] for values in told) == [values["number"] for values in told]


def test_json_can_hold_all_of_it(ana, export):
    for each in export(ana):
        assert each.kind in orjson.dumps({each.kind: dict(each.values)}).decode()


# What is not told

# Of every table, the columns that open something, or fence who may change it.
SECRET = {
    ("users", "subject"),
    ("user_sessions", "token_hash"),
    ("api_keys", "key_hash"),
    ("domain_claims", "token"),
    ("agent_secrets", "sealed"),
    ("messages", "lease_token"),
    ("messages", "send_attempt"),
    ("idempotency_keys", "request_hash"),
    ("used_links", "hash"),
    ("outbound_attachments", "content"),
    ("notifications", "nonce_hash"),
    ("notifications", "link_hash"),
    ("received_digests", "digest"),
}


def test_no_credential_is_exported(store, ana, export):
    told = " ".join(repr(each) for each in export(ana))

    for table, column in SECRET:
        secrets = store.run(
            lambda tx, t=table, c=column: [
                value for value in tx.execute(select(metadata.tables[t].c[c])).scalars() if value is not None
            ]
        )
        assert secrets, (table, column)
        assert [] == [value for value in secrets if str(value) in told or repr(value) in told], (table, column)


def test_every_column_of_bytes_and_every_column_that_sounds_secret_was_thought_of():
    suspicious = {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.c
        if isinstance(column.type, LargeBinary) or any(word in column.name for word in ("hash", "token", "sealed"))
    }

    assert suspicious - {("bodies", "content"), ("body_chunks", "content")} <= SECRET


def test_nothing_of_another_is_told(store, ana, export):
    told = " ".join(repr(each) for each in export(ana))

    assert BO not in told
    assert OTHER not in told


def test_a_user_with_nothing_has_a_header(store, places, export):
    assert ["header"] == [each.kind for each in export(store.run(places.user))]


@pytest.mark.parametrize("user_id", ["usr_404", ""])
def test_nobody_is_not_found_before_anything_is_told(store, ana, clock, user_id):
    with store.snapshot() as tx, pytest.raises(UserNotFound):
        export_user_data(tx, user_id, now=clock.now())


# One state


def test_what_is_committed_meanwhile_is_not_told(store, beside, places, ana, export, clock):
    before = export(ana)

    def change(tx):
        places.message(tx, f"poll@{DOMAIN}", b"Subject: late\r\n\r\n")
        delete_agent(tx, ana.id, f"hook@{DOMAIN}")

    with store.snapshot() as tx:
        told = export_user_data(tx, ana.id, now=clock.now())
        started = [next(told), next(told)]
        beside.run(change)
        whole = [*started, *told]

    assert before == whole
    assert before != export(ana)


# Many


@pytest.fixture
def many(store, places, ana):
    """Has the polling agent get so many messages more."""

    def make(count):
        model = store.run(lambda tx: places.message(tx, f"poll@{DOMAIN}")).id
        store.run(lambda tx: multiply(tx, model, count))

    return make


@pytest.mark.parametrize("count", [PAGE - 8, PAGE - 7, PAGE - 6, 2 * PAGE + 1])
def test_each_of_many_messages_is_told_once_and_in_order(ana, many, export, count):
    many(count)

    told = [values["seq"] for values in of_kind("message", export(ana)) if values["agent"] == f"poll@{DOMAIN}"]

    assert [*range(1, count + 7)] == told


def test_many_messages_need_no_more_memory_than_a_page(store, ana, many, clock):
    many(MANY)

    tracemalloc.start()
    with store.snapshot() as tx:
        count = sum(each.kind == "message" for each in export_user_data(tx, ana.id, now=clock.now()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert MANY < count
    assert peak < MEMORY
