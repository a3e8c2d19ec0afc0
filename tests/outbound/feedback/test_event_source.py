"""The secret in the path that a provider posts its events to, where the operator sets none."""

import re

from relay.outbound.feedback.event_source import events_secret
from relay.signing.secrets import master_key


def test_it_is_the_same_each_time_and_another_with_another_master_key(master):
    assert events_secret(master, "ses") == events_secret(master, "ses")
    assert events_secret(master, "ses") != events_secret(master_key(b"another key, for tests only"), "ses")


def test_each_courier_has_its_own(master):
    assert events_secret(master, "ses") != events_secret(master, "pigeon")


def test_a_release_keeps_the_secret_that_the_topic_of_the_release_before_posts_to():
    assert "qMyy2_Xg3iEGUklOIn5a-apEQnIDQ2NedweeIB6DbGY" == events_secret(
        master_key(b"a master key for tests only"), "ses"
    )


def test_it_can_be_a_segment_of_a_path_and_a_setting(master):
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", events_secret(master, "ses"))


def test_it_is_not_the_key_that_it_comes_from(master):
    assert master.links.hex() not in events_secret(master, "ses")
