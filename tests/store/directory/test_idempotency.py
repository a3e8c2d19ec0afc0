from datetime import timedelta
from hashlib import sha256

import pytest

from store.directory.idempotency import LIFETIME, begin_request, forget_request, keep_answer
from store.directory.users import bootstrap_user
from store.errors import IdempotencyMismatch, InvalidValue
from store.records.people import BegunRequest
from tests.store.gate import Gate, in_one_group, run_beside, together, wait_until_blocked

ASKED = sha256(b"send a mail").hexdigest()
ELSE = sha256(b"send another").hexdigest()
NEW, UNDER_WAY = BegunRequest("new"), BegunRequest("under way")
SECOND = timedelta(seconds=1)


@pytest.fixture
def ana(store, clock):
    return store.run(lambda tx: bootstrap_user(tx, "ana@owner.example", now=clock.now()))


@pytest.fixture
def begin(store, ana, clock):
    def ask(key="k-1", asked=ASKED, *, user=ana, by=store):
        return by.run(lambda tx: begin_request(tx, user.id, key, asked, now=clock.now()))

    return ask


@pytest.fixture
def answer(store, ana):
    return lambda status=202, text='{"status":"queued"}': store.run(
        lambda tx: keep_answer(tx, ana.id, "k-1", status=status, answer=text)
    )


@pytest.fixture
def forget(store, ana):
    return lambda: store.run(lambda tx: forget_request(tx, ana.id, "k-1"))


def test_the_first_is_new_and_the_others_learn_that_it_is_under_way(begin):
    assert [NEW, UNDER_WAY, UNDER_WAY] == [begin() for _ in range(3)]


@pytest.mark.parametrize(("status", "text"), [(202, '{"status":"queued"}'), (409, ""), (204, None)])
def test_who_comes_after_the_work_gets_its_answer(begin, answer, status, text):
    begin()
    answer(status, text)

    assert [BegunRequest("answered", status, text)] * 2 == [begin(), begin()]


def test_another_key_is_another_request(begin):
    assert [NEW, NEW] == [begin(), begin("k-2")]


def test_a_key_is_a_user_s_own(store, begin, clock):
    bo = store.run(lambda tx: bootstrap_user(tx, "bo@owner.example", now=clock.now()))

    assert [NEW, NEW] == [begin(), begin(user=bo, asked=ELSE)]


@pytest.mark.parametrize("answered", [False, True])
def test_a_key_is_for_one_request(begin, answer, answered):
    begin()
    if answered:
        answer()
    known = begin()

    with pytest.raises(IdempotencyMismatch):
        begin(asked=ELSE)

    assert known == begin()


def test_a_key_whose_work_failed_is_free_again(begin, forget):
    begin()
    forget()

    assert [NEW, UNDER_WAY] == [begin(asked=ELSE), begin(asked=ELSE)]


def test_a_key_whose_work_was_abandoned_is_freed_by_its_age(begin, store, ana, clock):
    begin()
    began = clock.now()

    store.run(lambda tx: forget_request(tx, ana.id, "k-1", begun_before=began))
    assert UNDER_WAY == begin()

    store.run(lambda tx: forget_request(tx, ana.id, "k-1", begun_before=began + SECOND))
    assert NEW == begin()


def test_an_answer_that_was_kept_is_not_forgotten(begin, answer, forget):
    begin()
    answer()
    forget()

    assert "answered" == begin().state


def test_an_answer_is_kept_once(begin, answer):
    begin()
    answer(202)
    answer(500)

    assert 202 == begin().status


def test_an_answer_to_nothing_is_not_kept(begin, answer, forget):
    answer()
    forget()

    assert NEW == begin()


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("asked", [ASKED, ELSE])
def test_after_a_day_a_key_is_new_again(begin, answer, clock, answered, asked):
    begin()
    if answered:
        answer()
    clock.advance(seconds=(LIFETIME - SECOND).total_seconds())
    assert begin().state == ("answered" if answered else "under way")

    clock.advance(seconds=1)

    assert [NEW, UNDER_WAY] == [begin(asked=asked), begin(asked=asked)]


@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb", "a\0b", "\ud800"])
def test_what_is_no_key_begins_nothing(begin, key):
    with pytest.raises(InvalidValue):
        begin(key)


@pytest.mark.parametrize("asked", ["", "00", ASKED.upper(), ASKED + "0", ASKED + "\n"])
def test_what_is_no_hash_begins_nothing(begin, asked):
    with pytest.raises(InvalidValue):
        begin(asked=asked)

    assert NEW == begin()


@pytest.mark.parametrize("status", [0, 199, 600])
def test_what_is_no_status_answers_nothing(begin, answer, status):
    begin()

    with pytest.raises(InvalidValue):
        answer(status)

    assert UNDER_WAY == begin()


def test_nobody_begins_nothing(store, clock):
    with pytest.raises(InvalidValue):
        store.run(lambda tx: begin_request(tx, "usr_404", "k-1", ASKED, now=clock.now()))


# At once


def test_exactly_one_of_many_does_the_work(begin, store, beside):
    answers = together([lambda by=by: begin(by=by) for by in (store, beside) * 5])

    assert [1, 9] == [answers.count(NEW), answers.count(UNDER_WAY)]


def test_exactly_one_of_many_does_again_what_is_too_long_ago(begin, answer, store, beside, clock):
    begin()
    answer()
    clock.advance(days=1)

    answers = together([lambda by=by: begin(by=by) for by in (store, beside) * 5])

    assert [1, 9] == [answers.count(NEW), answers.count(UNDER_WAY)]


async def test_exactly_one_of_a_group_does_the_work(sqlite_store, clock):
    ana = await sqlite_store.write(lambda tx: bootstrap_user(tx, "ana@owner.example", now=clock.now()))

    answers = await in_one_group(
        sqlite_store.write, *[lambda tx: begin_request(tx, ana.id, "k-1", ASKED, now=clock.now())] * 3
    )

    assert [NEW, UNDER_WAY, UNDER_WAY] == answers


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("ends", ["well", "badly", "undone"])
def test_who_comes_while_another_begins_waits_to_learn_what_became_of_it(store, beside, ana, clock, ends):
    def begin(tx):
        return begin_request(tx, ana.id, "k-1", ASKED, now=clock.now())

    def work(tx):
        begin(tx)
        if ends == "badly":
            forget_request(tx, ana.id, "k-1")
        else:
            keep_answer(tx, ana.id, "k-1", status=202, answer="{}")

    gate = Gate(work)

    def unit(tx):
        gate.unit(tx)
        if ends == "undone":
            raise InvalidValue

    first = run_beside(store, unit)
    gate.reached()
    second = run_beside(beside, begin)
    wait_until_blocked(store.engine)
    gate.open()
    first.exception()

    assert (BegunRequest("answered", 202, "{}") if ends == "well" else NEW) == second.result()
