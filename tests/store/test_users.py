import pytest

from store.errors import InvalidValue, UserNotFound
from store.users import bootstrap_user, get_user_by_email, get_user_by_id, list_users
from tests.store.gate import Gate, run_beside, wait_until_blocked


def test_a_user_is_kept_with_what_was_said(store, clock):
    made = store.run(lambda tx: bootstrap_user(tx, " Ana@Owner.example ", name="Ana", now=clock.now()))

    assert made == store.run(lambda tx: get_user_by_id(tx, made.id))
    assert ("ana@owner.example", "Ana", f"local:{made.id}", clock.now()) == (
        made.email,
        made.name,
        made.subject,
        made.created_at,
    )


def test_a_user_is_made_once_however_the_email_is_written(store, clock):
    first = store.run(lambda tx: bootstrap_user(tx, "ana@owner.example", name="Ana", now=clock.now()))
    clock.advance(days=1)

    assert first == store.run(lambda tx: bootstrap_user(tx, "ANA@Owner.Example", name="Other", now=clock.now()))
    assert [first] == store.run(list_users)


def test_a_user_is_found_by_email_however_it_is_written(store, clock):
    made = store.run(lambda tx: bootstrap_user(tx, "ana@owner.example", now=clock.now()))

    assert made == store.run(lambda tx: get_user_by_email(tx, " ANA@owner.example"))


@pytest.mark.parametrize(
    "email",
    ["", "ana", "@owner.example", "ana@", "a na@owner.example", "ana\n@owner.example", "a" * 320 + "@o.example"],
)
def test_what_is_no_email_makes_no_user(store, clock, email):
    with pytest.raises(InvalidValue):
        store.run(lambda tx: bootstrap_user(tx, email, now=clock.now()))


@pytest.mark.parametrize(("find", "what"), [(get_user_by_id, "usr_404"), (get_user_by_email, "nobody@owner.example")])
def test_a_user_who_is_not_there_is_not_found(store, find, what):
    with pytest.raises(UserNotFound):
        store.run(lambda tx: find(tx, what))


def test_users_are_listed_oldest_first(store, clock):
    for email in ("c@owner.example", "a@owner.example", "b@owner.example"):
        store.run(lambda tx, email=email: bootstrap_user(tx, email, now=clock.now()))
        clock.advance(seconds=1)

    assert ["c@owner.example", "a@owner.example", "b@owner.example"] == [user.email for user in store.run(list_users)]


def test_a_long_name_is_cut(store, clock):
    made = store.run(lambda tx: bootstrap_user(tx, "ana@owner.example", name="n" * 1000, now=clock.now()))

    assert 320 == len(made.name)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_processes_that_make_one_user_at_once_get_the_same(store, beside, clock):
    def make(tx):
        return bootstrap_user(tx, "ana@owner.example", now=clock.now())

    gate = Gate(make)
    first = run_beside(store, gate.unit)
    gate.reached()
    second = run_beside(beside, make)
    wait_until_blocked(store.engine)
    gate.open()

    assert first.result() == second.result()
