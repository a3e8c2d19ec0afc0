"""What a stolen API key can do, by its scope: every operation of /openapi.json is asked with it."""

import pytest

from tests.web.access.test_tenants import ENDLESS, LINKS, OPEN, body_of, filled, rows
from tests.web.schemas.described import OPERATIONS
from tests.web.world import as_asked, furnish

SCOPES = ("read", "work", "send", "admin")
ANY = {"me"}
MAY = {
    "read": {
        *(
            "get_message",
            "list_messages",
            "get_raw",
            "get_attachment",
            "conversation",
            "conversations",
            "list_activity",
        ),
        *(
            "get_agent",
            "list_agents",
            "get_domain",
            "list_domains",
            "get_review",
            "list_reviews",
            "delivery",
            "deliveries",
        ),
        *("suppressions", "usage"),
    },
    "work": {"lease", "ack", "nack", "extend", "mark_message"},
    "send": {"send", "reply", "forward"},
    "admin": {
        *("get_agent", "list_agents", "make_agent", "change_agent", "change_hitl", "remove_agent", "get_secrets"),
        *(
            "rotate_secret",
            "get_domain",
            "list_domains",
            "claim_domain",
            "verify_domain",
            "give_up_domain",
            "list_keys",
        ),
        *(
            "make_key",
            "revoke_key",
            "approve",
            "reject",
            "edit_review",
            "resolve_message",
            "replay_one",
            "replay_all_dead",
        ),
        *("try_webhook", "lift", "export", "erase", "list_sessions", "end_sessions"),
    },
}
REFUSED_BY_CONTENT = {"make_key"}  # 403 also for a key that would give more than the asking one has


def by_harm(name: str) -> tuple[bool, bool, int]:
    """The order of asking: what deletes the most comes last."""
    method, path, _ = OPERATIONS[name]
    return name == "erase", method == "DELETE", -path.count("/")


async def outcomes(api_server, world, key) -> dict[str, int]:
    """The status of each operation for *key*, on what its own user has."""
    found = {}
    for name in sorted(OPERATIONS.keys() - OPEN - LINKS - ENDLESS, key=by_harm):
        method, path, operation = OPERATIONS[name]
        answer = await api_server.ask(method, filled(path, as_asked(name, world)), key=key, **body_of(operation))
        found[name] = answer.status
    return found


@pytest.mark.parametrize("scope", SCOPES)
async def test_a_stolen_key_does_what_its_scope_says_and_nothing_else(sqlite_api, scope):
    owner = f"{scope}@owner.example"
    world = await furnish(sqlite_api, owner=owner, domain=f"{scope}.example")
    key = await sqlite_api.new_key(owner, scopes=(scope,))
    await sqlite_api.get("/v1/me", key=key)  # the key's first use is written down
    before = await rows(sqlite_api)
    found = await outcomes(sqlite_api, world, key)

    assert MAY[scope] | ANY == {name for name, status in found.items() if status != 403} | (
        MAY[scope] & REFUSED_BY_CONTENT
    )
    assert [] == [name for name, status in found.items() if status >= 500]
    assert scope != "read" or before == await rows(sqlite_api)
