"""An account taken back in: whole, once, and nothing of what is not right."""

import io
import zipfile
from functools import partial
from hashlib import sha256

import orjson
import pytest
from sqlalchemy import delete, func, select

from relay.account.archive import Archive
from relay.account.export import LISTING, export_account
from relay.account.take_in import Rules, import_account
from relay.directory.agents import check_address
from relay.errors import BadExport
from store.database.connect import open_store
from store.directory.agents import list_secrets
from store.directory.domains import ensure_shared_domain, lookup_domain
from store.directory.users import get_user_by_email
from store.errors import Unavailable
from store.mail.bodies import read_body
from store.mail.queue import lease_messages
from store.outbound.outbound import get_outbound_message
from store.outbound.suppression import keep_suppression
from store.schema.inbound import agents, deliveries, messages, usage_days
from store.upkeep.erasure import delete_user_data
from tests.places import Places
from tests.store.owned import MINUTE, own_everything

ANA = "ana@owner.example"
DOMAIN = "agents.example"
POLL, HOOK = f"poll@{DOMAIN}", f"hook@{DOMAIN}"
# What an import settles anew: see store/upkeep/imports.py.
SETTLED = {"queued": "unconfirmed", "pending_approval": "failed"}


@pytest.fixture
def places(clock, master):
    return Places(clock, master)


@pytest.fixture
def plain_store(sqlite_file_url):
    """A store for Store.run where the database makes no difference."""
    opened = open_store(sqlite_file_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def take_in(master, clock, tmp_path):
    """Imports what a zip holds; answers the counts by kind."""

    def take(store, content, *, verified=False):
        file = tmp_path / "account.zip"
        file.write_bytes(content)
        rules = Rules(verified=verified, check_address=partial(check_address, letters_domain=DOMAIN))
        with Archive(file) as archive:
            _, counts = import_account(archive, rules=rules, store=store, master=master, clock=clock)
        return {each.kind: (each.kept, each.there_already, each.left_out) for each in counts}

    return take


def exported(store, clock, email=ANA):
    user = store.run(lambda tx: get_user_by_email(tx, email))
    return b"".join(export_account(store, user.id, now=clock.now()))


def things(content):
    listing = zipfile.ZipFile(io.BytesIO(content)).read(LISTING)
    return [orjson.loads(line) for line in listing.splitlines()]


def raws(content):
    archive = zipfile.ZipFile(io.BytesIO(content))
    return {name: archive.read(name) for name in archive.namelist() if name != LISTING}


def zipped(told, raw=None):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        lines = [each if isinstance(each, bytes) else orjson.dumps(each) for each in told]
        archive.writestr(LISTING, b"".join(line + b"\n" for line in lines))
        for name, mail in (raw or {}).items():
            archive.writestr(name, mail)
    return file.getvalue()


def as_imported(thing):
    """A line as the export after an import tells it: keys are gone, numbers of usage are new, nothing is under way."""
    told = dict(thing)
    if told["record"] == "usage_event":
        told.pop("number")
    if told.get("status") in SETTLED:
        told |= {"status": SETTLED[told["status"]], "error": None}
    if told.get("direction") == "outbound":
        told |= {"attachments": [], "error": None}
    return told


def comparable(content):
    told = [as_imported(thing) for thing in things(content) if thing["record"] != "api_key"]
    return [{**told[0], "generated_at": None}, *told[1:]]


@pytest.fixture
def moved(store, places, clock):
    """A user's export; the user is gone."""
    user = own_everything(store, places, ANA, DOMAIN)
    content = exported(store, clock)
    store.run(lambda tx: delete_user_data(tx, user.id))
    return content


def own(store, places):
    """A small account: two short mails, an address that bounced."""
    places_user = store.run(lambda tx: places.user(tx, ANA))
    store.run(lambda tx: places.domain(tx, places_user, DOMAIN))
    store.run(lambda tx: places.agent(tx, places_user, POLL))
    for raw in (b"Subject: one\r\n\r\n", b"Subject: two\r\n\r\n"):
        store.run(lambda tx, raw=raw: places.message(tx, POLL, raw))
    store.run(
        lambda tx: keep_suppression(tx, places_user.id, "bo@reader.example", reason="bounced", now=places.clock.now())
    )
    return places_user


@pytest.fixture
def small(plain_store, places, clock):
    """The export of a small account that is gone."""
    user = own(plain_store, places)
    content = exported(plain_store, clock)
    plain_store.run(lambda tx: delete_user_data(tx, user.id))
    return content


# There and back, on both databases


def test_what_was_exported_and_erased_comes_back_as_it_was(store, moved, take_in, clock):
    counts = take_in(store, moved, verified=True)

    expected = {"user": (1, 0, 0), "domain": (1, 0, 0), "agent": (3, 0, 0), "api_key": (0, 0, 2)}
    assert expected | {"message": (7, 0, 0), "usage_event": (5, 0, 0), "suppression": (1, 0, 0)} == counts
    again = exported(store, clock)
    assert comparable(moved) == comparable(again)
    assert raws(moved) == raws(again)


def test_a_second_time_changes_nothing(store, moved, take_in, clock):
    take_in(store, moved, verified=True)
    before = exported(store, clock)

    counts = take_in(store, moved, verified=True)

    assert {0} == {kept for kept, _, _ in counts.values()}
    assert {"message": 7, "usage_event": 5, "suppression": 1} == {
        kind: counts[kind][1] for kind in ("message", "usage_event", "suppression")
    }
    assert things(before)[1:] == things(exported(store, clock))[1:]


def test_an_import_over_the_account_itself_changes_nothing(store, places, take_in, clock):
    own_everything(store, places, ANA, DOMAIN)
    before = exported(store, clock)

    counts = take_in(store, before)

    assert {0} == {kept for kept, _, _ in counts.values()}
    assert things(before) == things(exported(store, clock))


def test_what_an_interruption_left_out_is_taken_in_by_the_next_run(store, moved, take_in, clock):
    told = things(moved)
    half = [*told[: len(told) - 8], next(each for each in told if each["record"] == "usage_event")]
    take_in(store, zipped(half, raws(moved)), verified=True)

    counts = take_in(store, moved, verified=True)

    assert (0 < counts["message"][0], counts["usage_event"]) == (True, (4, 1, 0))
    assert comparable(moved) == comparable(exported(store, clock))


# What is not as it was


def test_an_import_sends_and_delivers_nothing(store, moved, take_in):
    take_in(store, moved, verified=True)

    def seen(tx):
        statuses = tx.execute(select(messages.c.status).where(messages.c.direction == "outbound")).scalars()
        return sorted(statuses), tx.execute(select(func.count()).select_from(deliveries)).scalar()

    assert (["failed", "sent", "unconfirmed"], 0) == store.run(seen)


def test_why_a_written_mail_waits_is_told(store, moved, take_in):
    take_in(store, moved)

    queued = next(thing["id"] for thing in things(moved) if thing.get("status") == "queued")
    assert "queued or being sent" in store.run(lambda tx: get_outbound_message(tx, queued)).error


def test_a_domain_has_to_be_proved_again_unless_the_operator_says_so(plain_store, small, take_in):
    user = take_in(plain_store, small) and plain_store.run(lambda tx: get_user_by_email(tx, ANA))
    look = lambda: plain_store.run(lambda tx: lookup_domain(tx, user.id, DOMAIN))  # noqa: E731

    unproven = look()
    take_in(plain_store, small, verified=True)

    assert (False, True) == (unproven.verified, look().verified)
    assert unproven.token == look().token


def test_an_agent_gets_a_secret_of_its_own(plain_store, small, take_in, clock):
    take_in(plain_store, small)

    assert 1 == len(plain_store.run(lambda tx: list_secrets(tx, POLL, now=clock.now())))


def test_unread_mail_waits_in_the_queue_again(plain_store, small, take_in, clock):
    take_in(plain_store, small)

    leases = plain_store.run(lambda tx: lease_messages(tx, POLL, limit=9, lease=MINUTE, now=clock.now()))
    assert ["one", "two"] == [
        plain_store.run(lambda tx, each=each: read_body(tx, each.message.raw_sha256)).split()[1].decode()
        for each in leases
    ]


def test_days_are_counted_once(plain_store, small, take_in):
    for _ in range(2):
        take_in(plain_store, small)

    assert [2] == plain_store.run(lambda tx: list(tx.execute(select(usage_days.c["count"])).scalars()))


def test_mail_that_came_meanwhile_keeps_its_place(plain_store, small, places, take_in):
    told = things(small)
    late = next(index for index, each in enumerate(told) if each["record"] == "message") + 1
    take_in(plain_store, zipped(told[:late], raws(small)))
    came = plain_store.run(lambda tx: places.message(tx, POLL, b"Subject: late\r\n\r\n"))

    assert (1, 1, 0) == take_in(plain_store, small)["message"]
    numbers = plain_store.run(lambda tx: dict(tx.execute(select(messages.c.id, messages.c.seq)).all()))
    assert [1, 2, 3] == [numbers[told[late - 1]["id"]], numbers[came.id], numbers[told[late]["id"]]]


def test_mail_whose_time_is_over_is_left_out(plain_store, small, take_in, clock):
    clock.advance(days=40)

    assert (0, 0, 2) == take_in(plain_store, small)["message"]


def test_a_user_of_the_same_email_gets_it_all(plain_store, small, places, take_in):
    user = plain_store.run(lambda tx: places.user(tx, ANA))

    assert (0, 1, 0) == take_in(plain_store, small)["user"]
    assert user.id == plain_store.run(lambda tx: get_user_by_email(tx, ANA)).id


# What is refused


def first_of(kind, told):
    return next(index for index, each in enumerate(told) if each["record"] == kind)


def changed(small, which, **changes):
    """The export with one thing in it changed, and the number of its line."""
    told = things(small)
    index = first_of(which, told)
    told[index] |= changes
    return zipped(told, raws(small)), index + 1


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("domain", {"domain": "no domain"}),
        ("domain", {"created_at": "yesterday"}),
        ("domain", {"created_at": "2026-11-23T15:17:00"}),
        ("agent", {"address": "POLL@agents.example"}),
        ("agent", {"address": "poll@other.example"}),
        ("agent", {"address": "poll@other.example", "domain": "other.example"}),
        ("agent", {"mode": "push"}),
        ("agent", {"mode": "webhook"}),
        ("agent", {"webhook_url": "javascript:alert(1)"}),
        ("agent", {"hitl_ttl_seconds": 0}),
        ("agent", {"name": "a\0b"}),
        ("message", {"id": "msg_'; drop table messages"}),
        ("message", {"agent": "nobody@agents.example"}),
        ("message", {"status": "sent"}),
        ("message", {"direction": "sideways"}),
        ("message", {"seq": 0}),
        ("message", {"seq": 2**63}),
        ("message", {"raw_size": -1}),
        ("message", {"raw_sha256": None}),
        ("message", {"raw_sha256": "0" * 64}),
        ("message", {"raw_sha256": "../../etc/passwd"}),
        ("message", {"raw_size": 3}),
        ("message", {"subject": "a\0b"}),
        ("usage_event", {"kind": "eaten"}),
        ("usage_event", {"bytes": -5}),
        ("suppression", {"address": "no address"}),
        ("suppression", {"reason": "disliked"}),
        ("header", {"schema_version": 2}),
        ("header", {"schema_version": True}),
        ("header", {"schema_version": None}),
        ("header", {"record": "agent"}),
        ("header", {"user": {}}),
    ],
)
def test_a_thing_that_is_not_right_is_refused_by_its_line(plain_store, small, take_in, kind, changes):
    content, line = changed(small, kind, **changes)

    with pytest.raises(BadExport, match=rf"^{LISTING}, line {line}: "):
        take_in(plain_store, content)


@pytest.mark.parametrize("text", [b"{", b"[]", b"null", b'"x"', b"{}", b'{"record": 5}', b'{"record": "\xff"}', b""])
def test_a_line_that_is_no_record_is_refused_by_its_number(plain_store, small, take_in, text):
    told = things(small)

    with pytest.raises(BadExport, match=rf"{LISTING}, line 2: "):
        take_in(plain_store, zipped([told[0], text, *told[1:]], raws(small)))


def test_a_record_of_an_unknown_kind_is_refused(plain_store, small, take_in):
    with pytest.raises(BadExport, match="line 2: unknown record 'wish'"):
        take_in(plain_store, zipped([things(small)[0], {"record": "wish"}]))


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_export_is_refused(plain_store, take_in, content):
    with pytest.raises(BadExport):
        take_in(plain_store, content)


def test_an_empty_listing_is_refused(plain_store, take_in):
    with pytest.raises(BadExport, match="empty"):
        take_in(plain_store, zipped([]))


def test_an_export_cut_off_is_refused(plain_store, small, take_in):
    for end in range(0, len(small), 97):
        with pytest.raises(BadExport):
            take_in(plain_store, small[:end])


def test_an_export_with_a_byte_changed_is_refused_or_taken_in_whole(plain_store, small, take_in):
    for place in range(0, len(small), 61):
        damaged = bytearray(small)
        damaged[place] ^= 0x55
        try:
            take_in(plain_store, bytes(damaged))
        except BadExport:
            continue


@pytest.mark.parametrize(("mail", "why"), [(None, "missing"), (b"Subject: no\r\n\r\n", "SHA-256"), (b"", "SHA-256")])
def test_a_mail_that_is_missing_or_another_keeps_its_batch_out(plain_store, small, take_in, mail, why):
    told, raw = things(small), raws(small)
    second = first_of("message", told) + 1
    raw[f"raw/{told[second]['raw_sha256']}.eml"] = mail
    left = {name: each for name, each in raw.items() if each is not None}

    with pytest.raises(BadExport, match=rf"line {second + 1}: .*{why}"):
        take_in(plain_store, zipped(told, left))
    assert 0 == plain_store.run(lambda tx: tx.execute(select(func.count()).select_from(messages)).scalar())


def test_a_long_mail_that_is_another_leaves_no_bytes_that_a_right_one_would_meet(plain_store, places, take_in, clock):
    user = own_everything(plain_store, places, ANA, DOMAIN)
    content = exported(plain_store, clock)
    plain_store.run(lambda tx: delete_user_data(tx, user.id))
    long = next(name for name, mail in raws(content).items() if len(mail) > 1_000_000)
    wrong = raws(content) | {long: b"y" * len(raws(content)[long])}

    with pytest.raises(BadExport, match="SHA-256"):
        take_in(plain_store, zipped(things(content), wrong))
    take_in(plain_store, content)

    body = plain_store.run(lambda tx: read_body(tx, long[4:68]))
    assert long[4:68] == sha256(body).hexdigest()


def test_a_message_that_is_another_user_s_is_refused(plain_store, places, take_in, clock):
    own(plain_store, places)
    other = plain_store.run(lambda tx: places.user(tx, "eve@owner.example"))
    plain_store.run(lambda tx: places.domain(tx, other, "eve.example"))
    plain_store.run(lambda tx: places.agent(tx, other, "poll@eve.example"))
    theirs = [thing for thing in things(exported(plain_store, clock)) if thing["record"] == "message"]
    mine = things(exported(plain_store, clock, "eve@owner.example"))
    stolen = zipped([*mine, theirs[0] | {"agent": "poll@eve.example"}], raws(exported(plain_store, clock)))

    with pytest.raises(BadExport, match=rf"line {len(mine) + 1}: {theirs[0]['id']} is a message of another user"):
        take_in(plain_store, stolen)


def test_an_address_that_is_another_user_s_is_refused(plain_store, small, places, take_in):
    eve = plain_store.run(lambda tx: places.user(tx, "eve@owner.example"))
    plain_store.run(lambda tx: places.domain(tx, eve, DOMAIN))

    with pytest.raises(BadExport, match=r"line 2: .*not available"):
        take_in(plain_store, small)


def test_nobody_becomes_the_postmaster_of_the_shared_domain(plain_store, small, take_in, clock):
    plain_store.run(lambda tx: ensure_shared_domain(tx, "shared.example", now=clock.now()))
    content, line = changed(small, "agent", address="postmaster@shared.example", domain="shared.example")

    with pytest.raises(BadExport, match=rf"line {line}: .*reserved"):
        take_in(plain_store, content)


def test_an_agent_with_an_address_or_a_name_of_the_relay_is_refused_and_nothing_of_it_is_kept(
    plain_store, small, take_in
):
    changes = [
        *({"address": f"{local}@{DOMAIN}"} for local in ("agents", "mailseal", "mai1seal", "mailseal+x", "agents+x")),
        {"name": "Mail Seal"},
    ]
    for change in changes:
        content, line = changed(small, "agent", **change)
        with pytest.raises(BadExport, match=rf"line {line}: .*(belongs to the relay|reserved|name of this relay)"):
            take_in(plain_store, content)

    assert 0 == plain_store.run(lambda tx: tx.execute(select(func.count()).select_from(agents)).scalar())


def test_on_another_domain_than_that_of_the_letters_agents_is_a_local_part_as_any(plain_store, places, take_in, clock):
    user = own(plain_store, places)
    plain_store.run(lambda tx: places.domain(tx, user, "other.example"))
    plain_store.run(lambda tx: places.agent(tx, user, "agents@other.example"))
    content = exported(plain_store, clock)
    plain_store.run(lambda tx: delete_user_data(tx, user.id))

    assert (4, 0, 0) == take_in(plain_store, content)["agent"]  # with a postmaster of each domain


def test_a_message_told_twice_is_refused(plain_store, small, take_in):
    told = things(small)
    first = first_of("message", told)

    with pytest.raises(BadExport, match=rf"line {first + 2}: .*listed twice"):
        take_in(plain_store, zipped([*told[: first + 1], told[first], *told[first + 1 :]], raws(small)))


def test_a_database_that_is_gone_is_said_so(plain_store, small, take_in):
    with plain_store.engine.begin() as connection:
        connection.execute(delete(messages))
        connection.exec_driver_sql("ALTER TABLE users RENAME TO lost")

    with pytest.raises(Unavailable):
        take_in(plain_store, small)
