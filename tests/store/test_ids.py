import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from store import ids

MAKERS = [
    (ids.new_message_id, "msg_"),
    (ids.new_user_id, "usr_"),
    (ids.new_key_id, "key_"),
    (ids.new_event_id, "evt_"),
    (ids.new_delivery_id, "dlv_"),
    (ids.new_conversation_id, "conv_"),
]


@pytest.mark.parametrize(("make", "prefix"), MAKERS)
def test_an_id_says_of_what_it_is_and_is_lower_case_letters_and_digits(make, prefix):
    assert re.fullmatch(prefix + "[0-9a-z]+", make())


@pytest.mark.parametrize(("make", "prefix"), MAKERS)
def test_an_id_is_at_most_36_characters(make, prefix):
    assert 36 >= len(make())


@pytest.mark.parametrize(("make", "prefix"), MAKERS)
def test_all_ids_of_a_kind_are_of_one_length(make, prefix):
    assert 1 == len({len(make()) for _ in range(200)})


def test_no_id_comes_twice():
    assert 20_000 == len({ids.new_message_id() for _ in range(20_000)})


def test_ids_of_the_same_moment_have_nothing_else_in_common():
    chance = [made[len("msg_") + 12 :] for made in (ids.new_message_id() for _ in range(200))]

    assert 200 == len({piece[:6] for piece in chance}) == len({piece[-6:] for piece in chance})


def test_an_id_made_later_sorts_behind():
    made = [ids.new_message_id() for _ in range(20_000)]

    assert sorted(made) == made


def test_ids_made_in_several_threads_are_in_order_in_each_of_them():
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: [ids.new_message_id() for _ in range(2_000)], range(4)))

    assert all(sorted(each) == each for each in made)
    assert 8_000 == len({each[: len("msg_") + 12] for several in made for each in several})


def test_an_id_begins_with_the_time_so_that_another_process_sorts_behind_too():
    before, made, after = (time.time_ns(), ids.new_message_id(), time.time_ns())

    assert before <= int(made[len("msg_") :][:12], 36) <= after


def test_deliveries_and_attempts_of_a_process_end_with_its_mark_and_other_ids_do_not():
    marks = {ids.make_mark() for _ in range(50)}
    assert {ids.MARK_DIGITS} == {len(mark) for mark in marks}
    try:
        ids.mark_ids("0z9")
        made = [make() for make in (ids.new_delivery_id, ids.new_send_id) for _ in range(50)]
    finally:
        ids.mark_ids("")

    assert {"0z9"} == {each[-3:] for each in made}
    assert 100 == len(set(made))
    assert {len(ids.new_delivery_id()), len(ids.new_send_id())} == {len(each) for each in made}
    assert 1 < len({ids.new_delivery_id()[-3:] for _ in range(50)})
