"""Encrypt and decrypt an agent's signing secret for its database row."""

from datetime import datetime

from relay.signing.secrets import MasterKey, Secret, decrypt, encrypt, new_secret
from store.records.mail import AgentSecret, Recipient


def agent_secret(
    address: str, key_id: str, *, random_bytes: bytes, nonce: bytes, master: MasterKey, now: datetime
) -> AgentSecret:
    """A new, encrypted secret for the agent at *address* (normalised)."""
    sealed = encrypt(new_secret(random_bytes), master=master, nonce=nonce, context=_context(address, key_id))
    return AgentSecret(key_id=key_id, agent=address, sealed=sealed, created_at=now, expires_at=None)


def open_secret(kept: AgentSecret | Recipient, *, master: MasterKey) -> Secret:
    """Decrypt the stored secret. Raises BadSecret: wrong master key, or damaged data."""
    address = kept.address if isinstance(kept, Recipient) else kept.agent
    return decrypt(kept.sealed, master=master, context=_context(address, kept.key_id))


def reseal(kept: AgentSecret, *, old: MasterKey, new: MasterKey, nonce: bytes) -> bytes:
    """The stored secret encrypted under another master key. Raises BadSecret: *old* does not open it."""
    return encrypt(open_secret(kept, master=old), master=new, nonce=nonce, context=_context(kept.agent, kept.key_id))


def _context(address: str, key_id: str) -> str:
    return f"{address}\n{key_id}"
