import pytest

from store.errors import InvalidValue, SuppressionNotFound
from store.outbound.suppression import find_suppressed, keep_suppression, lift_suppression, list_suppressions

BO = "bo@reader.example"


@pytest.fixture
def keep(store, ana, clock):
    def suppress(address=BO, *, user=ana, reason="bounced", **more):
        return store.run(lambda tx: keep_suppression(tx, user.id, address, reason=reason, now=clock.now(), **more))

    return suppress


def listed(store, user, **more):
    page = store.run(lambda tx: list_suppressions(tx, user.id, **more))
    return [each.address for each in page.items], page.next_cursor


def test_an_address_is_kept_with_why(store, ana, keep, clock):
    assert keep(detail="550 5.1.1 no such user", message_id="msg_1")

    (kept,) = store.run(lambda tx: list_suppressions(tx, ana.id)).items
    assert (BO, "bounced", "550 5.1.1 no such user", "msg_1", clock.now()) == (
        kept.address, kept.reason, kept.detail, kept.message_id, kept.created_at,
    )  # fmt: skip


def test_the_first_reason_stays_when_there_comes_another(store, ana, keep):
    keep(detail="gone")

    assert not keep("BO@reader.example", reason="complained", detail="spam")
    (kept,) = store.run(lambda tx: list_suppressions(tx, ana.id)).items
    assert ("bounced", "gone") == (kept.reason, kept.detail)


@pytest.mark.parametrize(
    ("address", "more"),
    [
        ("no address", {}),
        ("a\0b@reader.example", {}),
        (f"{'x' * 65}@reader.example", {}),
        (BO, {"reason": "disliked"}),
        (BO, {"detail": "x" * 501}),
        (BO, {"detail": "a\nb"}),
    ],
)
def test_what_the_list_cannot_hold_is_refused(store, ana, keep, address, more):
    with pytest.raises(InvalidValue):
        keep(address, **more)

    assert ([], None) == listed(store, ana)


def test_addresses_are_listed_by_name_page_by_page(store, ana, keep):
    for name in ("di", "bo", "cy", "ed"):
        keep(f"{name}@reader.example")

    first, cursor = listed(store, ana, limit=3)
    assert (["bo@reader.example", "cy@reader.example", "di@reader.example"], first[-1]) == (first, cursor)
    assert (["ed@reader.example"], None) == listed(store, ana, limit=3, cursor=cursor)


def test_a_cursor_of_another_list_is_refused(store, ana):
    with pytest.raises(InvalidValue):
        listed(store, ana, cursor="dlv_1")


def test_a_user_sees_and_lifts_only_their_own(store, ana, bo, keep):
    keep()

    assert ([], None) == listed(store, bo)
    assert {} == store.run(lambda tx: find_suppressed(tx, bo.id, [BO]))
    with pytest.raises(SuppressionNotFound):
        store.run(lambda tx: lift_suppression(tx, bo.id, BO))
    assert ([BO], None) == listed(store, ana)


def test_an_address_can_be_written_to_again_once_it_is_lifted(store, ana, keep):
    keep()

    store.run(lambda tx: lift_suppression(tx, ana.id, "Bo@READER.example"))

    assert ([], None) == listed(store, ana)
    with pytest.raises(SuppressionNotFound):
        store.run(lambda tx: lift_suppression(tx, ana.id, BO))


@pytest.mark.parametrize("address", ["", "no address", "bo@", "a\0b@reader.example"])
def test_what_is_no_address_is_not_on_the_list(store, ana, keep, address):
    keep()

    with pytest.raises(SuppressionNotFound):
        store.run(lambda tx: lift_suppression(tx, ana.id, address))
    assert ([BO], None) == listed(store, ana)


def test_whom_not_to_write_to_is_found_in_any_spelling_and_told_as_it_was_given(store, ana, keep):
    keep()
    keep("zo@bücher.example", reason="complained")

    found = store.run(
        lambda tx: find_suppressed(tx, ana.id, ["BO@Reader.example", "cy@reader.example", "Zo@xn--bcher-kva.example"])
    )

    assert {"BO@Reader.example": "bounced", "Zo@xn--bcher-kva.example": "complained"} == {
        address: each.reason for address, each in found.items()
    }


def test_nobody_is_found_where_nobody_is_asked_for(store, ana, keep):
    keep()

    assert {} == store.run(lambda tx: find_suppressed(tx, ana.id, []))
    assert {} == store.run(lambda tx: find_suppressed(tx, ana.id, ["no address"]))
