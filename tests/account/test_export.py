"""An account as a zip: whole, of one moment, in little memory."""

import io
import tracemalloc
import zipfile
from hashlib import sha256

import orjson
import pytest

from relay.account.export import LISTING, export_account
from store.errors import UserNotFound
from tests.places import Places
from tests.store.owned import multiply, own_everything

ANA = "ana@owner.example"


@pytest.fixture
def places(clock, master):
    return Places(clock, master)


@pytest.fixture
def ana(store, places):
    user = own_everything(store, places, ANA, "agents.example")
    own_everything(store, places, "bo@owner.example", "bo.example")
    return user


def read(store, user, clock):
    archive = zipfile.ZipFile(io.BytesIO(b"".join(export_account(store, user.id, now=clock.now()))))
    assert archive.testzip() is None
    return archive, [orjson.loads(line) for line in archive.read(LISTING).splitlines()]


def test_everything_of_a_user_is_in_it_and_nothing_of_another_s(store, ana, clock):
    archive, things = read(store, ana, clock)

    assert ("header", 1, "2026-11-23T15:17:00Z", ANA) == (
        things[0]["record"],
        things[0]["schema_version"],
        things[0]["generated_at"],
        things[0]["user"]["email"],
    )
    assert {"header", "domain", "agent", "api_key", "message", "usage_event", "suppression"} == {
        thing["record"] for thing in things
    }
    assert b"bo.example" not in archive.read(LISTING)


def test_every_mail_is_in_it_byte_for_byte_and_once(store, ana, clock):
    archive, things = read(store, ana, clock)

    contents = {thing["raw_sha256"] for thing in things if thing["record"] == "message"} - {None}
    names = [name for name in archive.namelist() if name != LISTING]
    assert sorted(f"raw/{content}.eml" for content in contents) == names
    assert contents == {sha256(archive.read(name)).hexdigest() for name in names}
    assert max(archive.getinfo(name).file_size for name in names) > 1_000_000  # a long one is there


def test_what_is_written_meanwhile_is_not_in_it(store, ana, places, clock):
    parts = export_account(store, ana.id, now=clock.now())
    first = next(parts)
    late = store.run(lambda tx: places.message(tx, "poll@agents.example"))

    archive = zipfile.ZipFile(io.BytesIO(first + b"".join(parts)))
    assert late.id.encode() not in archive.read(LISTING)


def test_many_mails_take_little_memory(store, ana, places, clock):
    def unit(tx):
        multiply(tx, places.message(tx, "postmaster@agents.example", b"x" * 5000).id, 5000, contents_too=True)

    store.run(unit)
    tracemalloc.start()
    try:
        size = sum(len(part) for part in export_account(store, ana.id, now=clock.now()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size > 500_000
    assert peak < 20_000_000


def test_nobody_has_nothing(store, clock):
    with pytest.raises(UserNotFound):
        next(export_account(store, "usr_404", now=clock.now()))
