"""Read the header section of a received mail, within its bounds, and refuse a mail in a loop.

Bounds are counted before fields are made, and a large section is split in a thread: a hostile header must not delay
other sessions.
"""

from relay.errors import HeaderTooLarge, MailLoop
from relay.inbound.limits import InboundLimits
from relay.mail.headers import FIELD_WEIGHT, Headers, count_fields, header_end, split_headers
from relay.mail.trace import hop_count, own_hop_count
from relay.spool import Spool
from relay.threads import HEADER_OFF_LOOP_BYTES, by_size


async def read_headers(spool: Spool, *, limits: InboundLimits, hostname: str) -> Headers:
    """The header fields of the mail in *spool*.

    Raises HeaderTooLarge, or MailLoop when the mail passed too many servers, or this one too often.
    """
    head = spool.head(limits.header_bytes + 1)
    section = head[: header_end(head)]
    if len(section) > limits.header_bytes:
        raise HeaderTooLarge(f"the header section has more than {limits.header_bytes} bytes")
    count = count_fields(section)
    if count > limits.header_fields:
        raise HeaderTooLarge(f"the header section has more than {limits.header_fields} fields")
    weight = len(section) + FIELD_WEIGHT * count
    headers = await by_size(weight, lambda: split_headers(section), above=HEADER_OFF_LOOP_BYTES)
    if hop_count(headers) > limits.hops or own_hop_count(headers, hostname=hostname) >= limits.own_hops:
        raise MailLoop
    return headers
