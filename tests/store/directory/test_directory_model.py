"""Any order of claiming, proving, making, revoking and taking away, by three users, as in tests/store/directory/simple_directory.py."""

from hashlib import sha256

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from store.directory.domains import delete_domain
from store.directory.keys import create_api_key, delete_api_key, get_user_by_api_key, touch_api_key
from tests.store.directory.simple_directory import Key
from tests.store.twin import MODES, WHICH, WHO, Twin, error_of, run_beside_the_simple_one


class People(Twin):
    """Who owns what, and what goes with it."""

    def __init__(self):
        super().__init__()
        self.hashes = []  # of every key ever made

    @initialize()
    def begin(self):
        super().begin()

    @rule(who=WHO, which=WHICH)
    def claim(self, who, which):
        self.claim_domain(who, which)

    @rule(who=WHO, which=WHICH)
    def prove(self, who, which):
        self.verify(who, which)

    @rule(who=WHO, which=WHICH)
    def give_up(self, who, which):
        user, domain = self.users[who], self.domain(which)
        assert self.simple.give_up(user, domain) == error_of(self.ask(delete_domain, user, domain))

    @rule(who=WHO, which=WHICH, mode=MODES)
    def make(self, who, which, mode):
        self.make_agent(who, which, mode)

    @rule(who=WHO, which=WHICH)
    def remove(self, who, which):
        self.remove_agent(who, which)

    @rule(who=WHO, which=WHICH, mode=MODES)
    def switch(self, who, which, mode):
        self.switch_agent(who, which, mode)

    @rule(who=WHO, which=st.none() | WHICH)
    def make_key(self, who, which):
        user, agent = self.users[who], None if which is None else self.address(which)
        key_hash = sha256(f"{self.number}-{len(self.hashes)}".encode()).hexdigest()
        self.hashes.append(key_hash)

        key = self.ask(
            create_api_key, user, key_hash=key_hash, prefix="mk_abcdefghi", name="k", now=self.now, agent=agent
        )

        assert self.simple.refuses_key(user, agent) == error_of(key)
        if not error_of(key):
            self.simple.keys[key_hash] = Key(key.id, user, agent)

    @precondition(lambda self: self.simple.keys)
    @rule(who=WHO, which=WHICH)
    def revoke_key(self, who, which):
        key_hash = list(self.simple.keys)[which % len(self.simple.keys)]
        key = self.simple.keys[key_hash]
        answer = self.ask(delete_api_key, self.users[who], key.id)
        assert self.simple.revoke(self.users[who], key_hash) == error_of(answer)

    @precondition(lambda self: self.hashes)
    @rule(which=WHICH)
    def use_key(self, which):
        key_hash = self.hashes[-1 - which % len(self.hashes)]
        key = self.simple.keys.get(key_hash)

        found = self.ask(get_user_by_api_key, key_hash)

        assert (key and (key.user, key.id, key.used_at)) == (
            found and (found[0].id, found[1].id, found[1].last_used_at)
        )
        if key:
            self.ask(touch_api_key, key.id, now=self.now)
            self.simple.touch(key, now=self.now)

    @rule(which=WHICH)
    def arrive(self, which):
        self.arrive_at(self.address(which), None, (), b"Subject: hi\r\n\r\n")


@pytest.mark.hypothesis
@pytest.mark.parametrize(("database_url", "examples"), [("sqlite", 12), ("postgresql", 4)], indirect=["database_url"])
def test_who_owns_what_is_what_plain_python_would_say(store, master, examples):
    run_beside_the_simple_one(People, store, master, examples=examples, steps=40)
