"""Create API keys and find their owners. A key is shown once; the store has its hash only."""

import secrets
from collections.abc import Collection
from datetime import datetime

from relay.signing.keys import KEY_BYTES, hash_key, is_key, new_key, prefix
from store.directory import keys
from store.records.mail import ApiKey, User
from store.transaction import Tx


def create_key(
    tx: Tx,
    user_id: str,
    *,
    name: str,
    now: datetime,
    agent: str | None = None,
    scopes: Collection[str] = keys.ALL_SCOPES,
) -> tuple[ApiKey, str]:
    """Create a key; return it and its plaintext, which cannot be shown again. Raises InvalidValue, AgentNotFound."""
    plaintext = new_key(secrets.token_bytes(KEY_BYTES))
    kept = keys.create_api_key(
        tx,
        user_id,
        key_hash=hash_key(plaintext),
        prefix=prefix(plaintext),
        name=name,
        now=now,
        agent=agent,
        scopes=scopes,
    )
    return kept, plaintext


def find_holder(tx: Tx, plaintext: str) -> tuple[User, ApiKey] | None:
    """The user and the key of *plaintext*; None where it is unknown, revoked or no key."""
    return keys.get_user_by_api_key(tx, hash_key(plaintext)) if is_key(plaintext) else None
