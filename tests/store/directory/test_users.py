from dataclasses import replace

import pytest

from store.directory.users import bootstrap_user, create_or_get_user, get_user_by_email, get_user_by_id, list_users
from store.errors import EmailTaken, InvalidValue, UserNotFound
from tests.store.gate import Gate, run_beside, together, wait_until_blocked
from tests.store.plans import statements


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


@pytest.mark.parametrize(
    ("find", "what"),
    [
        (get_user_by_id, "usr_404"),
        (get_user_by_email, "nobody@owner.example"),
        (get_user_by_email, "no address"),
    ],
)
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


def test_a_name_is_kept_without_what_cannot_be_shown(store, clock):
    made = store.run(lambda tx: bootstrap_user(tx, "ana@owner.example", name="A\0n\x1b[31ma\n\ud800", now=clock.now()))

    assert "An[31ma" == made.name


# By OIDC


@pytest.fixture
def sign_in(store, clock):
    """Has somebody come by OIDC."""

    def arrive(subject="oidc-1", email="ana@owner.example", name=None, *, by=store):
        return by.run(lambda tx: create_or_get_user(tx, subject, email, name=name, now=clock.now()))

    return arrive


@pytest.fixture
def bootstrap(store, clock):
    return lambda email="ana@owner.example": store.run(lambda tx: bootstrap_user(tx, email, now=clock.now()))


def test_a_first_sign_in_makes_a_user(store, sign_in, clock):
    made = sign_in(email=" Ana@Owner.example", name="Ana")

    assert made == store.run(lambda tx: get_user_by_id(tx, made.id))
    assert ("oidc-1", "ana@owner.example", "Ana", clock.now(), None) == (
        made.subject,
        made.email,
        made.name,
        made.created_at,
        made.updated_at,
    )


def test_a_subject_is_one_user_and_sign_ins_that_tell_nothing_new_write_nothing(store, sign_in, clock):
    made = sign_in(name="Ana")
    clock.advance(days=1)

    with statements(store.engine) as asked:
        again = [sign_in(name="Ana"), sign_in(name=None)]

    assert [made, made] == again
    assert [] == [text for text, _ in asked if not text.startswith(("SELECT", "BEGIN"))]


def test_two_subjects_are_two_users(sign_in):
    assert sign_in().id != sign_in("oidc-2", "bo@owner.example").id


def test_who_was_made_by_the_operator_and_then_signs_in_is_one_user(store, sign_in, bootstrap, clock):
    made = bootstrap()
    clock.advance(days=1)

    found = sign_in(name="Ana")

    assert replace(made, subject="oidc-1", name="Ana", updated_at=clock.now()) == found
    assert [found] == store.run(list_users)


def test_who_signed_in_and_is_then_made_by_the_operator_is_one_user(store, sign_in, bootstrap):
    made = sign_in()

    assert made == bootstrap()
    assert [made] == store.run(list_users)


@pytest.mark.parametrize(
    ("told", "changed"),
    [
        ({"email": "New@owner.example"}, {"email": "new@owner.example"}),
        ({"name": "New"}, {"name": "New"}),
        ({"name": ""}, {"name": ""}),
        ({"email": "new@owner.example", "name": "New"}, {"email": "new@owner.example", "name": "New"}),
    ],
)
def test_email_and_name_are_kept_current(store, sign_in, clock, told, changed):
    made = sign_in(name="Ana")
    clock.advance(days=1)

    found = sign_in(**{"name": "Ana"} | told)

    assert replace(made, **changed, updated_at=clock.now()) == found
    assert [found] == store.run(list_users)


def test_a_new_subject_does_not_get_the_user_of_another_subject_s_email(store, sign_in):
    made = sign_in()

    with pytest.raises(EmailTaken):
        sign_in("oidc-2", "ANA@owner.example")

    assert [made] == store.run(list_users)


@pytest.mark.parametrize("holder", ["signs in too", "was made by the operator"])
def test_who_is_known_gets_in_with_the_old_email_when_the_new_one_is_another_s(sign_in, bootstrap, holder):
    made = sign_in()
    other = sign_in("oidc-2", "bo@owner.example") if holder == "signs in too" else bootstrap("bo@owner.example")

    assert replace(made, name="Ana", updated_at=made.created_at) == sign_in(email="bo@owner.example", name="Ana")
    assert other == bootstrap("bo@owner.example")


@pytest.mark.parametrize("subject", ["", "s" * 256, "a\0b", "a\nb", "\ud800", "local:", "local:usr_1"])
def test_what_is_no_subject_of_oidc_makes_no_user(store, sign_in, subject):
    with pytest.raises(InvalidValue):
        sign_in(subject)

    assert [] == store.run(list_users)


def test_nobody_signs_in_as_a_user_who_was_made_by_the_operator(sign_in, bootstrap):
    made = bootstrap()

    with pytest.raises(InvalidValue):
        sign_in(made.subject, "eve@evil.example")


@pytest.mark.parametrize("email", ["", "ana", "a\0@owner.example", "a" * 320 + "@o.example", "\ud800@o.example"])
def test_what_is_no_email_signs_nobody_in(store, sign_in, email):
    with pytest.raises(InvalidValue):
        sign_in(email=email)

    assert [] == store.run(list_users)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("first_way", ["by OIDC", "by the operator"])
def test_one_person_who_comes_at_two_processes_at_once_is_one_user(store, beside, clock, first_way):
    ways = {
        "by OIDC": lambda tx: create_or_get_user(tx, "oidc-1", "ana@owner.example", now=clock.now()),
        "by the operator": lambda tx: bootstrap_user(tx, "ana@owner.example", now=clock.now()),
    }
    gate = Gate(ways[first_way])
    first = run_beside(store, gate.unit)
    gate.reached()
    second = run_beside(beside, ways["by OIDC"])
    wait_until_blocked(store.engine)
    gate.open()

    assert first.result().id == second.result().id
    assert ["oidc-1"] == [user.subject for user in store.run(list_users)]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_two_subjects_that_come_for_one_email_at_once_the_first_gets_the_user(store, beside, bootstrap, clock):
    made = bootstrap()
    gate = Gate(lambda tx: create_or_get_user(tx, "oidc-1", made.email, now=clock.now()))
    first = run_beside(store, gate.unit)
    gate.reached()
    second = run_beside(beside, lambda tx: create_or_get_user(tx, "oidc-2", made.email, now=clock.now()))
    wait_until_blocked(store.engine)
    gate.open()

    assert (made.id, "oidc-1") == (first.result().id, first.result().subject)
    with pytest.raises(EmailTaken):
        second.result()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_an_email_that_another_takes_meanwhile_is_not_taken_from_them(store, beside, sign_in, clock):
    made = sign_in()
    gate = Gate(lambda tx: bootstrap_user(tx, "bo@owner.example", now=clock.now()))
    taken = run_beside(beside, gate.unit)
    gate.reached()
    changed = run_beside(store, lambda tx: create_or_get_user(tx, "oidc-1", "bo@owner.example", now=clock.now()))
    wait_until_blocked(store.engine)
    gate.open()

    assert ("bo@owner.example", made) == (taken.result().email, changed.result())


def test_many_who_are_one_person_sign_in_at_once(store, beside, sign_in):
    answers = together([lambda by=by: sign_in(by=by).id for by in (store, beside) * 4])

    assert 1 == len(set(answers))
    assert 1 == len(store.run(list_users))
