import ast
from pathlib import Path

import pytest

from store.errors import MessageNotFound, Unavailable
from store.mail.bodies import (
    CHUNK_BYTES,
    chunk_units,
    keep_ahead,
    keep_body,
    keep_chunk,
    keep_content,
    read_bodies,
    read_body,
    read_chunk,
    split_chunks,
)
from store.schema.inbound import bodies, body_chunks
from tests.store.contents import keep, keep_in_parts, name, parts_of, rows, times
from tests.store.gate import Gate, in_one_group, run_beside, wait_until_blocked
from tests.store.notes import note, noted

SHORT = bytes(range(256)) + b"\r\n.\r\n"  # every byte there is
LONG = SHORT * 6000  # three chunks and a bit


@pytest.mark.parametrize("content", [b"", b"\0", SHORT, LONG])
def test_bytes_kept_in_one_row_come_back_as_they_were(store, clock, content):
    store.run(keep(content, now=clock.now()))

    assert content == store.run(lambda tx: read_body(tx, name(content)))


def test_bytes_kept_in_parts_come_back_as_they_were(store, clock):
    store.run(keep_in_parts(LONG, now=clock.now()))

    assert LONG == store.run(lambda tx: read_body(tx, name(LONG)))
    assert 3 == store.run(rows(body_chunks))


@pytest.mark.parametrize("size", [1, 1000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_chunks_have_one_size_whatever_the_size_of_the_pieces(size):
    content = LONG[: 2 * CHUNK_BYTES + 7] if size > 1 else LONG[:99]

    chunks = list(split_chunks(parts_of(content, size)))

    assert parts_of(content) == chunks


@pytest.mark.parametrize("length", [0, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES])
def test_a_content_is_one_row_up_to_a_chunk_and_chunks_above(store, clock, length):
    content = LONG[:length]

    store.run(lambda tx: keep_content(tx, name(content), content, now=clock.now()))

    assert content == store.run(lambda tx: read_body(tx, name(content)))
    assert (len(parts_of(content)) if length > CHUNK_BYTES else 0) == store.run(rows(body_chunks))


async def test_chunks_that_are_written_ahead_are_read_once_their_body_is_kept(live_store, clock):
    await keep_ahead(name(LONG), [LONG[:7], LONG[7:]], store=live_store, now=clock.now())
    await live_store.write(lambda tx: keep_body(tx, name(LONG), size=len(LONG), content=None, now=clock.now()))

    assert LONG == await live_store.read(lambda tx: read_body(tx, name(LONG)))


def test_every_chunk_is_a_write_of_its_own(clock):
    assert 3 == len(list(chunk_units(name(LONG), [LONG], now=clock.now())))


def test_no_other_module_cuts_a_content_into_chunks():
    root = Path(__file__).resolve().parents[3]
    files = [*(root / "relay").rglob("*.py"), *(root / "store").rglob("*.py")]

    def writes_chunks(path):
        names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
        return "keep_chunk" in names

    assert [root / "store/mail/bodies.py"] == [path for path in files if writes_chunks(path)]


def test_parts_may_come_in_any_order(store, clock):
    parts = parts_of(LONG)
    for number in reversed(range(len(parts))):
        store.run(lambda tx, n=number: keep_chunk(tx, name(LONG), n, parts[n], now=clock.now()))
    store.run(lambda tx: keep_body(tx, name(LONG), size=len(LONG), content=None, now=clock.now()))

    assert LONG == store.run(lambda tx: read_body(tx, name(LONG)))


@pytest.mark.parametrize(("way", "table"), [(keep, bodies), (keep_in_parts, bodies), (keep_in_parts, body_chunks)])
def test_a_content_is_kept_once_however_often_it_comes(store, clock, way, table):
    store.run(way(LONG, now=clock.now()))
    once = store.run(rows(table))
    store.run(way(LONG, now=clock.now()))

    assert once == store.run(rows(table))
    assert LONG == store.run(lambda tx: read_body(tx, name(LONG)))


@pytest.mark.parametrize(("way", "table"), [(keep, bodies), (keep_in_parts, bodies), (keep_in_parts, body_chunks)])
def test_a_content_that_comes_again_is_known_by_when_it_came_last(store, clock, way, table):
    store.run(way(LONG, now=clock.now()))
    clock.advance(days=1)
    store.run(way(LONG, now=clock.now()))

    assert {clock.now()} == set(store.run(times(table)))
    assert LONG == store.run(lambda tx: read_body(tx, name(LONG)))


def test_a_content_may_come_twice_in_a_transaction_and_again_behind_other_questions(store, clock):
    def unit(tx):
        keep(SHORT, now=clock.now())(tx)
        keep(SHORT, now=clock.now())(tx)
        found = read_body(tx, name(SHORT))
        keep(SHORT, now=clock.now())(tx)
        return found

    assert SHORT == store.run(unit)
    assert 1 == store.run(rows(bodies))


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_content_without_one_of_its_parts_does_not_become_real(store, clock, missing):
    for number, part in enumerate(parts_of(LONG)):
        if number != missing:
            store.run(lambda tx, n=number, part=part: keep_chunk(tx, name(LONG), n, part, now=clock.now()))

    with pytest.raises(Unavailable):
        store.run(lambda tx: keep_body(tx, name(LONG), size=len(LONG), content=None, now=clock.now()))

    assert 0 == store.run(rows(bodies))


async def test_a_content_that_comes_twice_in_a_group_is_kept_once_and_fails_nobody(notes, clock):
    answers = await in_one_group(
        notes.write, keep(SHORT, now=clock.now()), note(1), keep(SHORT, now=clock.now()), note(2)
    )

    assert [None, 1, None, 2] == answers
    assert [1, 2] == await notes.read(noted)
    assert 1 == await notes.read(rows(bodies))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_content_that_two_processes_keep_at_once_is_kept_once(store, beside, clock):
    def now_rather_than_later(tx):
        keep(SHORT, now=clock.now())(tx)
        tx.flush()

    gate = Gate(now_rather_than_later)
    first = run_beside(store, gate.unit)
    gate.reached()
    second = run_beside(beside, keep(SHORT, now=clock.now()))
    wait_until_blocked(store.engine)
    gate.open()

    assert (None, None, 1) == (first.result(), second.result(), store.run(rows(bodies)))


def test_a_content_that_is_not_there_is_not_found(store):
    with pytest.raises(MessageNotFound):
        store.run(lambda tx: read_body(tx, name(SHORT)))


def test_parts_without_their_row_are_no_content_yet(store, clock):
    store.run(lambda tx: keep_chunk(tx, name(LONG), 0, LONG[:CHUNK_BYTES], now=clock.now()))

    with pytest.raises(MessageNotFound):
        store.run(lambda tx: read_body(tx, name(LONG)))


def test_several_contents_are_read_at_once(store, clock):
    store.run(keep(SHORT, now=clock.now()))
    store.run(keep(b"", now=clock.now()))
    store.run(keep_in_parts(LONG, now=clock.now()))

    found = store.run(lambda tx: read_bodies(tx, [name(SHORT), name(LONG), name(b""), name(b"missing")]))

    assert {name(SHORT): SHORT, name(LONG): LONG, name(b""): b""} == found


def test_several_contents_come_back_as_bytes_on_every_database(store, clock):
    store.run(keep(SHORT, now=clock.now()))

    assert [bytes] == [type(content) for content in store.run(lambda tx: read_bodies(tx, [name(SHORT)])).values()]


@pytest.mark.parametrize("way", [keep, keep_in_parts])
def test_a_content_can_be_read_part_by_part(store, clock, way):
    store.run(way(LONG, now=clock.now()))
    parts = []
    while (part := store.run(lambda tx: read_chunk(tx, name(LONG), len(parts)))) is not None:
        parts.append(part)

    assert LONG == b"".join(parts)


def test_no_part_is_longer_than_a_chunk(store, clock):
    store.run(keep_in_parts(LONG, now=clock.now()))

    assert CHUNK_BYTES == len(store.run(lambda tx: read_chunk(tx, name(LONG), 0)))


def test_what_is_not_there_has_no_first_part(store):
    assert store.run(lambda tx: read_chunk(tx, name(SHORT), 0)) is None
