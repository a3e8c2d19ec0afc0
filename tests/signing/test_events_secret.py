"""The secret of the place that SNS posts to, where its operator has chosen none."""

import re

from relay.signing.events_secret import events_secret
from relay.signing.secrets import master_key


def test_it_is_the_same_each_time_and_another_with_another_master_key(master):
    assert events_secret(master) == events_secret(master)
    assert events_secret(master) != events_secret(master_key(b"another key, for tests only"))


def test_it_can_stand_in_a_path_and_in_the_settings(master):
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", events_secret(master))


def test_it_is_not_the_key_that_it_comes_from(master):
    assert master.links.hex() not in events_secret(master)
