"""Encrypt all secrets of a store under a new master key, in one transaction.

Each step leaves a store that one key opens: the old one before the transaction, the new one after it. Every daemon must
be stopped: one that keeps the old key could not open a secret any more.
"""

import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from relay.errors import Misconfigured
from relay.master_files import make_pending, put_pending_in_place, read_master
from relay.settings import Settings, has_own_secret_file, read_secret
from relay.signing.agent_secret import reseal
from relay.signing.master_check import is_master_of
from relay.signing.secrets import NONCE_BYTES, MasterKey, master_key
from store.directory.secrets import all_secrets, reseal_secret
from store.engine import Store
from store.facts import MASTER_CHECK, write_fact
from store.transaction import Tx

OnStep = Callable[[str], None]
"""Called before each step with its name; tests end the process there."""


def rotate_master(
    store: Store,
    settings: Settings,
    *,
    now: datetime,
    new_file: Path | None = None,
    on_step: OnStep = lambda _name: None,
) -> tuple[int, Path | None]:
    """Encrypt the secrets of *store* under a new key; the number of secrets, and the file that keeps the old key.

    The key comes from *new_file*, or is made in the data directory in place of the old one, which is kept. Raises
    Misconfigured: the settings take the key from another place, and no *new_file* is given; or a file cannot be
    written. An interrupted rotation is completed by the next opening of the store, or by the same command again.
    """
    old = read_master(settings)
    own = has_own_secret_file(settings)
    if new_file is None and not own:
        raise Misconfigured(f"the master key is in {settings.secret_place}: give the new one with --new-key-file FILE")
    file = Path(settings.secret_place)
    try:
        on_step("make the new key")
        new = master_key(read_secret(new_file) if new_file is not None else make_pending(file))
        on_step("encrypt")
        count = store.run(lambda tx: _reseal_all(tx, old, new, now=now))
        on_step("replace the key file")
        kept = put_pending_in_place(file) if new_file is None else None
        on_step("done")
    except OSError as error:
        raise Misconfigured(f"MAILSEAL_DATA_DIR: cannot write to the folder of {file}: {error.strerror}") from error
    return count, kept


def _reseal_all(tx: Tx, old: MasterKey, new: MasterKey, *, now: datetime) -> int:
    """Encrypt all secrets with the new key. Raises BadSecret: the old key does not open one; none is changed."""
    if not is_master_of(tx, old):
        raise Misconfigured("the store belongs to another master key than the settings name")
    count = 0
    for kept in all_secrets(tx):
        sealed = reseal(kept, old=old, new=new, nonce=secrets.token_bytes(NONCE_BYTES))
        reseal_secret(tx, kept.key_id, sealed)
        count += 1
    write_fact(tx, MASTER_CHECK, new.check, now=now)
    return count
