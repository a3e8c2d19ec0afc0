"""Token buckets: what is left, when there is more, and that strangers cannot make them grow."""

import pytest

from relay.web.access.token_bucket import Buckets, BucketState, fields
from relay.web.http.peers import peer_name


def taken(buckets, times, *, at=0.0, name="a"):
    for _ in range(times):
        standing = buckets.take(name, at)
    return standing


def test_a_bucket_begins_full():
    assert BucketState("key", 60, left=60, seconds=0) == Buckets("key", 60).state("a", 0)


def test_a_request_takes_one():
    assert BucketState("key", 60, left=59, seconds=1) == Buckets("key", 60).take("a", 0)


@pytest.mark.parametrize(
    ("passed", "left", "seconds"),
    [(0, 0, 1), (0.5, 0, 1), (1, 1, 59), (1.9, 1, 59), (30, 30, 30), (60, 60, 0), (6000, 60, 0), (-100, 0, 1)],
)
def test_a_bucket_fills_evenly_and_never_over(passed, left, seconds):
    buckets = Buckets("key", 60)
    taken(buckets, 60)

    assert BucketState("key", 60, left, seconds) == buckets.state("a", passed)


def test_in_the_long_run_no_more_than_the_quota_passes():
    buckets, passed = Buckets("key", 60), 0
    for tick in range(6000):  # ten minutes of ten requests a second
        now = tick / 10
        if buckets.state("a", now).left:
            buckets.take("a", now)
            passed += 1

    assert 60 + 599 <= passed <= 60 + 600


def test_an_empty_bucket_says_when_there_is_one_again():
    buckets = Buckets("key", 3)

    assert BucketState("key", 3, left=0, seconds=20) == taken(buckets, 3)


def test_each_has_a_bucket_of_its_own():
    buckets = Buckets("key", 2)
    taken(buckets, 2)

    assert 2 == buckets.state("b", 0).left


def test_strangers_who_invent_names_make_nothing_grow():
    buckets = Buckets("key", 2)
    for number in range(30_000):
        buckets.take(str(number), 0)
        buckets.state(f"only asked for {number}", 0)

    assert 10_000 == len(buckets._kept)
    assert 1 == buckets.state("29999", 0).left


def test_whoever_is_busy_is_not_forgotten_for_strangers():
    buckets = Buckets("key", 100)
    for number in range(30_000):
        buckets.take(str(number), 0)
        if number % 5000 == 0:
            buckets.take("busy", 0)

    assert 94 == buckets.state("busy", 0).left


def test_the_fields_have_a_member_for_each_policy():
    states = [BucketState("key", 600, 599, 1), BucketState("user", 3000, 2998, 1)]

    assert {
        "RateLimit-Policy": '"key";q=600;w=60, "user";q=3000;w=60',
        "RateLimit": '"key";r=599;t=1, "user";r=2998;t=1',
    } == fields(states)
    assert {} == fields([])


@pytest.mark.parametrize(
    ("client", "name"),
    [
        (("192.0.2.1", 1), "192.0.2.1"),
        (("::ffff:192.0.2.1", 1), "192.0.2.1"),
        (("2001:db8:1:2:3::4", 1), str(0x20010DB800010002)),
        (("2001:db8:1:2:ffff::", 1), str(0x20010DB800010002)),
        (("fe80::1%eth0", 1), str(0xFE80 << 48)),
        (("unknown", 1), "unknown"),
        (None, ""),
    ],
)
def test_a_peer_is_an_address_or_a_customer_s_network(client, name):
    assert name == peer_name(client)
