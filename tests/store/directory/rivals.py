"""``python -m tests.store.directory.rivals URL DOMAIN TIME USER…``: users of one process who want one domain.

Told ``claim`` or ``prove`` on its input, all of them do so at once; the answer is a line of JSON: for each
user a token, whether it is theirs, or the error's name.
"""

import json
import sys
from datetime import datetime

from store.database.connect import open_store
from store.directory.domains import claim_or_create_domain, verify_domain
from tests.store.gate import together


def told(answer):
    return type(answer).__name__ if isinstance(answer, Exception) else [answer.token, answer.verified]


def compete(stores, domain, now, users, step):
    """What each of *users* gets when all of them *step* (claim or prove) at once, one after the other of *stores* taken."""

    def ask(store, user):
        if step == "claim":
            return store.run(lambda tx: claim_or_create_domain(tx, user, domain, token=f"token-of-{user}", now=now))
        return store.run(lambda tx: verify_domain(tx, user, domain, now=now))

    asks = [lambda user=user, n=n: ask(stores[n % len(stores)], user) for n, user in enumerate(users)]
    return dict(zip(users, map(told, together(asks)), strict=True))


def main():
    url, domain, now, *users = sys.argv[1:]
    store = open_store(url)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(compete([store], domain, datetime.fromisoformat(now), users, line.strip())), flush=True)
    store.engine.dispose()


if __name__ == "__main__":
    main()
