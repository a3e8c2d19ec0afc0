"""The statements that make mails by the million inside the database, from nothing but their numbers.

What mail *n* is follows from *n* by arithmetic: its agent, its time, its ids, and what became of it. So tables refer
to each other without a join, and whoever asks knows what there is. Odd mails are the big agent's, even ones go round
the others. Chance is a number times a constant, modulo 2**32: neighbours are scattered by it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

DOMAIN: Final = "agents.example"
BIG: Final = f"agent-0@{DOMAIN}"
SMALL: Final = f"agent-2@{DOMAIN}"  # one of the others: its mails lie far apart

_DAY: Final = 86_400_000  # ms
_KEPT: Final = 30 * _DAY
_SPAN: Final = int(_KEPT / 0.95)  # of all mails, so that one in twenty is over and not cleaned up yet
_HASH: Final = (2654435769, 2246822519, 3266489917, 668265263, 374761393, 1274126177, 3812015801, 2147483647)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How many mails a store has, and of what kinds. Shares are of a hundred."""

    messages: int
    others: int  # agents that share what is not the big one's
    unread: int
    queued: int  # of the unread
    dead: int  # of the deliveries, as pending
    pending: int
    held_since: int  # what was written before that share of the time is not held any more
    held_every: int  # of what was written since, one in so many waits for a person
    sending_every: int  # of what was written, one in so many is being sent, and its sender has died


@dataclass(frozen=True, slots=True)
class Tongue:
    """What the two databases say differently."""

    series: str  # the numbers from {first} to {last}
    hex8: str  # a number in eight digits
    time: str  # of milliseconds since 1970
    octets: str  # of a text


TONGUES: Final = {
    "sqlite": Tongue(
        series="SELECT {first} UNION ALL SELECT n + 1 FROM series WHERE n < {last}",
        hex8="printf('%08x', {})",
        time="strftime('%Y-%m-%d %H:%M:%f', ({}) / 1000.0, 'unixepoch') || '000'",
        octets="CAST({} AS BLOB)",
    ),
    "postgresql": Tongue(
        series="SELECT generate_series(CAST({first} AS bigint), CAST({last} AS bigint))",
        hex8="lpad(to_hex({}), 8, '0')",
        time="to_timestamp(({}) / 1000.0)",
        octets="convert_to({}, 'UTF8')",
    ),
}

_MAILS: Final = """
WITH RECURSIVE series(n) AS ({series}),
placed AS (
    SELECT n, n / 2 AS k, {now} - {span} + n * {span} / {messages} AS ms,
        CASE WHEN n % 2 = 1 THEN 0 ELSE 1 + n / 2 % {others} END AS who,
        CASE WHEN n % 2 = 1 THEN n / 2 + 1 ELSE n / 2 / {others} + 1 END AS seq,
        n / 2 % 10 = 3 AS outbound, n > {messages} / 100 * {held_since} AS recent,
        {chance_0} AS kind, {chance_1} AS queued, {chance_2} AS fate
    FROM series),
mail AS (
    SELECT n, who, seq, ms, outbound, kind, fate,
        NOT outbound AND kind < {unread} AS unread,
        NOT outbound AND kind < {unread} AND queued < {queued} AS queued,
        outbound AND k / 10 % {sending_every} = 1 AS sending,
        outbound AND recent AND k / 10 % {held_every} = 0 AS held,
        who % 2 = 0 AND fate >= 100 - {pending} AS pending, fate < {dead} AS dead,
        'agent-' || who || '@{domain}' AS agent,
        {id_3} AS id, {id_4} AS event_id, {number} AS number, {hash} AS sha256,
        {at} AS at
    FROM placed)
"""

_BODIES: Final = """
INSERT INTO bodies (sha256, size, content, created_at) {mails}
SELECT sha256, length({content}), {octets}, at FROM mail"""

_MESSAGES: Final = """
INSERT INTO messages (id, agent, seq, direction, conversation_id, recipient, mail_from, remote_ip, helo, tls,
    from_name, from_address, subject, email_message_id, provider_message_id, automated, verified, verified_domain,
    authentication, auth_headers, raw_sha256, raw_size, received_at, visible_at, expires_at, queued, status,
    hold_expires_at, send_attempt, send_until) {mails}
SELECT 'msg_' || id, agent, seq, CASE WHEN outbound THEN 'outbound' ELSE 'inbound' END, {conversation},
    CASE WHEN outbound THEN 'bo.reader@customer.example' ELSE agent END,
    CASE WHEN outbound THEN agent ELSE 'bounce-' || number || '@mail.customer.example' END,
    CASE WHEN outbound THEN NULL ELSE '192.0.2.' || (n % 250) END,
    CASE WHEN outbound THEN NULL ELSE 'mx-out.customer.example' END, CASE WHEN outbound THEN NULL ELSE 'TLSv1.3' END,
    CASE WHEN outbound THEN '' ELSE 'Bo Reader' END, CASE WHEN outbound THEN agent ELSE 'bo@customer.example' END,
    'Re: Your order ' || number, 'CA+' || number || '.' || id || '@mail.customer.example',
    CASE WHEN outbound AND NOT held THEN '0100' || number || '-' || id || '-000000' END,
    fate = 50, NOT outbound, CASE WHEN outbound THEN NULL ELSE 'customer.example' END,
    CASE WHEN outbound THEN NULL ELSE CAST(:authentication AS text) END,
    CASE WHEN outbound THEN NULL
        ELSE replace(replace(replace(CAST(:headers AS text), '(id)', 'msg_' || id), '(to)', agent), '(hash)', sha256)
    END,
    sha256, {size}, at, at, {expires}, queued,
    CASE WHEN unread THEN 'unread' WHEN NOT outbound THEN 'read' WHEN sending THEN 'sending'
        WHEN held THEN 'pending_approval' WHEN kind < 2 THEN 'failed' WHEN kind < 4 THEN 'unconfirmed' ELSE 'sent' END,
    CASE WHEN held THEN {hold} END, CASE WHEN sending THEN 'snd_' || id END, CASE WHEN sending THEN at END
FROM mail"""

_OUTBOUND: Final = """
INSERT INTO outbound (message_id, kind, "to", cc, bcc, text, headers, scrubbed_at) {mails}
SELECT 'msg_' || id, 'reply', '["bo.reader@customer.example","cy.reader@customer.example"]', '[]', '[]',
    CASE WHEN held OR sending THEN substr(CAST(:words AS text), 1, 800) END, '[]',
    CASE WHEN held OR sending THEN NULL ELSE at END
FROM mail WHERE outbound"""

_SEND_ATTEMPTS: Final = """
INSERT INTO send_attempts (id, message_id, origin, outcome, began_at, settled_at, provider_message_id) {mails}
SELECT 'snd_' || id, 'msg_' || id, 'queue', CASE WHEN sending THEN 'sending' ELSE 'sent' END, at,
    CASE WHEN sending THEN NULL ELSE at END, CASE WHEN sending THEN NULL ELSE '0100' || number || '-' || id END
FROM mail WHERE outbound AND (sending OR NOT held)"""

_DELIVERIES: Final = """
INSERT INTO deliveries (id, event_id, event_type, agent, message_id, status, attempts, claims, due_at, created_at,
    settled_at, last_status, last_error) {mails}
SELECT 'dlv_' || id, 'evt_' || event_id, CASE WHEN outbound THEN 'email.sent' ELSE 'email.received' END, agent,
    'msg_' || id, CASE WHEN pending THEN 'pending' WHEN dead THEN 'dead' ELSE 'delivered' END, 1, 1, at, at,
    CASE WHEN pending THEN NULL ELSE at END, CASE WHEN pending OR dead THEN 503 ELSE 200 END,
    CASE WHEN pending OR dead THEN 'answered 503' END
FROM mail"""

_ATTEMPTS: Final = """
INSERT INTO delivery_attempts (delivery_id, at, duration_ms, status, error) {mails}
SELECT 'dlv_' || id, at, 20 + fate, CASE WHEN pending OR dead THEN 503 ELSE 200 END,
    CASE WHEN pending OR dead THEN 'answered 503' END
FROM mail"""

_USAGE: Final = """
INSERT INTO usage_events (user_id, kind, agent, message_id, bytes, at) {mails}
SELECT agents.user_id, CASE WHEN outbound THEN 'sent' ELSE 'received' END, agent, 'msg_' || id, {size}, at
FROM mail JOIN agents ON agents.address = mail.agent"""

_LAST_SEQ: Final = "UPDATE agents SET last_seq = (SELECT coalesce(max(seq), 0) FROM messages WHERE agent = address)"

# So that as many agents have something due on every store: a bounce's report, which is about no message.
_REPORTS: Final = """
INSERT INTO deliveries (id, event_id, event_type, agent, status, due_at, created_at)
SELECT 'dlv_00' || address, 'evt_0' || address, 'email.bounced', address, 'pending', {now}, {now}
FROM agents WHERE mode = 'webhook'"""

_USAGE_DAYS: Final = """
INSERT INTO usage_days (user_id, day, kind, count, bytes)
WITH RECURSIVE series(n) AS ({series})
SELECT users.id, {day}, kinds.kind, 100 + n, 100000 + n
FROM users CROSS JOIN series CROSS JOIN (SELECT 'received' AS kind UNION ALL SELECT 'sent') AS kinds"""


def mails(dialect: str, shape: Shape, *, first: int, last: int, now: datetime) -> list[str]:
    """What makes mails *first* to *last* with all that belongs to them; texts.py has the parameters."""
    tongue, present = TONGUES[dialect], _milliseconds(now)
    words = {name: getattr(shape, name) for name in Shape.__slots__}
    common = _MAILS.format(
        series=tongue.series.format(first=first, last=last),
        now=present,
        span=_SPAN,
        domain=DOMAIN,
        **words,
        **{f"chance_{salt}": f"{_scattered('n', salt)} / 42949673" for salt in (0, 1, 2)},
        **{f"id_{salt}": _id(tongue, salt) for salt in (3, 4)},
        number=tongue.hex8.format("n"),
        hash=" || ".join(tongue.hex8.format(_scattered("n", salt)) for salt in range(8)),
        at=tongue.time.format("ms"),
    )
    content = "CAST(:head AS text) || id || substr(CAST(:words AS text), CAST(n % 400 AS integer) + 1, 800)"
    own = {
        "content": content,
        "octets": tongue.octets.format(content),
        "size": f"length({content})",
        "conversation": f"'conv_' || {_conversation(tongue)}",
        "expires": tongue.time.format(f"ms + {_KEPT}"),
        # Four in ten are over.
        "hold": tongue.time.format(f"{present} + ({_scattered('n', 5)} % 1000000 - 400000) * 500"),
    }
    tables = (_BODIES, _MESSAGES, _OUTBOUND, _SEND_ATTEMPTS, _DELIVERIES, _ATTEMPTS, _USAGE)
    return [table.format(mails=common, **own) for table in tables]


def rest(dialect: str, *, days: int, now: datetime) -> list[str]:
    """What comes after all mails: the agents' counts, what is due without a message, the users' *days*."""
    tongue, present = TONGUES[dialect], _milliseconds(now)
    series = tongue.series.format(first=0, last=days - 1)
    day = "CAST({} AS date)" if dialect == "postgresql" else "date({})"
    return [
        _LAST_SEQ,
        _REPORTS.format(now=tongue.time.format(present)),
        _USAGE_DAYS.format(series=series, day=day.format(tongue.time.format(f"{present} - n * {_DAY}"))),
    ]


def _id(tongue: Tongue, salt: int) -> str:
    """An id without its prefix: what begins with the time lies beside its neighbours, and below what is made later."""
    hexes = (tongue.hex8.format(_scattered("n", salt + step)) for step in (0, 1))
    return f"'0' || {tongue.hex8.format('ms / 1000')} || {' || '.join(hexes)} || 'mail'"


def _conversation(tongue: Tongue) -> str:
    """Of four mails that one agent has one after the other."""
    hexes = (tongue.hex8.format(part) for part in ("seq / 4", "who", _scattered("(seq / 4 + who)", 6)))
    return " || ".join(hexes)


def _scattered(number: str, salt: int) -> str:
    return f"({number} * {_HASH[salt]} % 4294967296)"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
