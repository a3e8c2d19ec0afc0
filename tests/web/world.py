"""One of everything that a user can have, and what each is called in the API's paths."""

from typing import Any

from relay.auth.verdict import ArcResult, DkimResult, DmarcResult, SpfResult, Verdict
from relay.signing.link import ReviewLink, review_token
from store.directory.users import get_user_by_email
from store.mail.deliveries import claim_due, settle_dead
from store.outbound.outbound import create_outbound_message, create_pending_outbound_message
from store.outbound.sending import LEASE, claim_queued, settle_deferred, settle_unconfirmed
from store.outbound.suppression import keep_suppression
from store.records.mail import Attempt
from tests.places import new_outbound
from tests.web.client import WITH_FILES, ApiServer

_DKIM = DkimResult(
    result="pass", domain="sender.example", selector="s1", aligned=True, algorithm="rsa-sha256", bits=2048, detail="ok"
)
ABOUT_HELD = {"get_review", "edit_review", "approve", "reject"}
AUTHENTICATION = Verdict(
    verified=True,
    verified_domain="sender.example",
    header_from="sender.example",
    spf=SpfResult(result="pass", domain="sender.example", aligned=True, detail="ok"),
    dkim=(_DKIM,),
    dmarc=DmarcResult(result="pass", policy="reject", domain="sender.example", detail="ok"),
    arc=ArcResult(result="none", sealer=None, detail="none"),
).to_dict()


async def furnish(api_server: ApiServer, *, owner: str, domain: str) -> dict[str, str]:
    """Give *owner* a domain, an agent with mail of both directions, one with a dead delivery, a spare key, and
    an address that bounced.

    Answers what can stand in a path, by the name of the parameter; ``key`` opens the door for the owner.
    """
    bot, hook = f"bot@{domain}", f"hook@{domain}"
    key = await api_server.new_key(owner)
    await api_server.agent(bot, owner=owner)
    await api_server.agent(hook, owner=owner, webhook="https://hooks.example/in")
    message = await api_server.message(
        WITH_FILES, agent=bot, email_message_id="1@sender", authentication=AUTHENTICATION
    )
    answer = new_outbound(bot, at=api_server.clock.now(), parent_ids=("1@sender",))
    await api_server.store.write(lambda tx: create_outbound_message(tx, answer))
    held = new_outbound(bot, at=api_server.clock.now())
    await api_server.store.write(lambda tx: create_pending_outbound_message(tx, held, ttl_seconds=600))
    return {
        "held_id": held.id,
        "doubtful_id": await doubtful_mail(api_server, bot),
        "key": key,
        "address": bot,
        "hook": hook,
        "domain": domain,
        "key_id": (await api_server.post("/v1/keys", {"name": "spare"}, key=key)).json["id"],
        "message_id": message.id,
        "conversation_id": message.conversation_id,
        "delivery_id": await dead_delivery(api_server, hook),
        "token": await held_mail(api_server, owner, bot),
        "recipient": await suppressed(api_server, owner, f"gone@{domain}"),
        "index": "0",
    }


async def held_mail(api_server: ApiServer, owner: str, agent: str, **changes: Any) -> str:
    """The token of a letter's link to a mail that *agent* wrote, and that waits for *owner*."""

    def unit(tx):
        new = new_outbound(agent, at=api_server.clock.now(), **changes)
        held = create_pending_outbound_message(tx, new, ttl_seconds=3600)
        assert held.hold_expires_at is not None
        link = ReviewLink(
            message_id=held.id,
            revision=held.revision,
            user_id=api_server.places.user(tx, owner).id,
            expires_at=held.hold_expires_at,
        )
        return review_token(link, key=api_server.places.master.links)

    return await api_server.store.write(unit)


def as_asked(name: str, world: dict[str, str]) -> dict[str, str]:
    """*world* with the message that the operation *name* is about."""
    other = "held_id" if name in ABOUT_HELD else "doubtful_id" if name == "resolve_message" else "message_id"
    return {key: value for key, value in world.items() if key not in {"held_id", "doubtful_id"}} | {
        "message_id": world[other]
    }


async def doubtful_mail(api_server: ApiServer, agent: str) -> str:
    """The id of one: its sender got no answer."""
    written = new_outbound(agent, at=api_server.clock.now())

    def unit(tx):
        now = api_server.clock.now()
        create_outbound_message(tx, written)
        for outgoing in claim_queued(tx, limit=200, lease=LEASE, now=now):
            if outgoing.message.id == written.id:
                settle_unconfirmed(tx, outgoing, "no answer", now=now)
            else:
                settle_deferred(tx, outgoing, "not now", until=now, now=now)

    await api_server.store.write(unit)
    return written.id


async def suppressed(api_server: ApiServer, owner: str, address: str) -> str:
    """*address*, which has bounced for good."""

    def unit(tx):
        user = get_user_by_email(tx, owner)
        keep_suppression(tx, user.id, address, reason="bounced", detail="550 5.1.1 unknown", now=api_server.clock.now())

    await api_server.store.write(unit)
    return address


async def dead_delivery(api_server: ApiServer, agent: str) -> str:
    """The id of one: a mail for *agent*, which has a webhook, given up at once."""
    await api_server.message(agent=agent, authentication=AUTHENTICATION)

    def unit(tx):
        now = api_server.clock.now()
        (claim,) = claim_due(tx, agent, limit=1, lease=LEASE, now=now)
        settle_dead(tx, claim, Attempt(at=now, duration_ms=7, status=500, error=None), now=now)
        return claim.delivery.id

    return await api_server.store.write(unit)
