"""Compare the master key with the one that a store was made with.

The store keeps a check value, an HMAC of a fixed text under the key: it tells two keys apart and reveals neither. A
store from before revision 0006 gets it from the first key that opens one of its secrets.
"""

from datetime import datetime

from relay.errors import BadSecret
from relay.signing.agent_secret import open_secret
from relay.signing.secrets import MasterKey, same
from store.directory.secrets import find_any_secret
from store.facts import MASTER_CHECK, read_fact, write_fact
from store.transaction import Tx


def is_master_of(tx: Tx, master: MasterKey) -> bool:
    """Whether *master* is the key of this store; writes nothing.

    A store without a check value and without secrets belongs to no key yet: then it is.
    """
    fact = read_fact(tx, MASTER_CHECK)
    if fact is not None:
        return same(fact.value, master.check)
    secret = find_any_secret(tx)
    try:
        return secret is None or bool(open_secret(secret, master=master))
    except BadSecret:
        return False


def needs_master(tx: Tx) -> bool:
    """Whether this store belongs to a master key already: it has a check value, or secrets."""
    return read_fact(tx, MASTER_CHECK) is not None or find_any_secret(tx) is not None


def has_check(tx: Tx) -> bool:
    """Whether this store has the check value of its master key."""
    return read_fact(tx, MASTER_CHECK) is not None


def adopt_master(tx: Tx, master: MasterKey, *, now: datetime) -> bool:
    """Write the check value where it is missing and *master* is the store's key; whether it is the key."""
    if not is_master_of(tx, master):
        return False
    if not has_check(tx):
        write_fact(tx, MASTER_CHECK, master.check, now=now)
    return True
