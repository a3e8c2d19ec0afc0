"""Build DNS queries and parse replies into a `DnsAnswer` (RFC 1035, RFC 2308)."""

from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.TXT

from relay.dns.resolver import DnsAnswer, RdType
from relay.errors import DnsUnavailable

PAYLOAD: Final = 1232  # octets of a datagram that avoids fragmentation (DNS flag day 2020)
MAX_RESPONSE: Final = 32 * 1024  # octets
MAX_RECORDS: Final = 128
_MAX_NAME: Final = 253
_MAX_LABEL: Final = 63


class ReplyTooLong(DnsUnavailable):
    """The reply has more octets than are read."""


class Truncated(Exception):
    """The reply did not fit into a datagram (flag TC)."""


def question(name: str, rdtype: RdType) -> dns.message.QueryMessage | None:
    """The query for *name*, taken literally without escapes; None for an invalid name."""
    labels = [label.encode("utf-8") for label in name.split(".")]
    if not all(0 < len(label) <= _MAX_LABEL for label in labels) or sum(map(len, labels)) + len(labels) > _MAX_NAME + 1:
        return None
    absolute = dns.name.Name([*labels, b""])
    query = dns.message.make_query(absolute, rdtype, use_edns=0, payload=PAYLOAD)
    assert isinstance(query, dns.message.QueryMessage)
    return query


def reply_to(query: dns.message.QueryMessage, wire: bytes) -> dns.message.QueryMessage | None:
    """Parse *wire* as the reply to *query*; None if it does not match *query*.

    Raises Truncated, ReplyTooLong.
    """
    if len(wire) > MAX_RESPONSE:
        raise ReplyTooLong("the reply is too long")
    try:
        reply = dns.message.from_wire(wire)
    except dns.exception.DNSException:
        return None
    if not isinstance(reply, dns.message.QueryMessage) or not query.is_response(reply):
        return None
    if reply.flags & dns.flags.TC:
        raise Truncated
    return reply


def read(reply: dns.message.QueryMessage, rdtype: RdType) -> DnsAnswer:
    """The answer in *reply*.

    Raises DnsUnavailable for a failure or an inconsistent reply.
    """
    if reply.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise DnsUnavailable(dns.rcode.to_text(reply.rcode()))
    try:
        chain = reply.resolve_chaining()
    except dns.exception.DNSException as error:
        raise DnsUnavailable("the reply is inconsistent") from error
    if chain.answer is None or chain.answer.rdtype != dns.rdatatype.from_text(rdtype):
        return DnsAnswer(records=(), exists=reply.rcode() != dns.rcode.NXDOMAIN, ttl=chain.minimum_ttl)
    records = [_text(rdata) for rdata in chain.answer][:MAX_RECORDS]
    return DnsAnswer(records=tuple(records), exists=True, ttl=chain.minimum_ttl)


def _text(rdata: object) -> str:
    if isinstance(rdata, dns.rdtypes.ANY.TXT.TXT):
        return b"".join(rdata.strings).decode("latin-1")
    if isinstance(rdata, dns.rdtypes.ANY.MX.MX):
        return f"{rdata.preference} {rdata.exchange.to_text(omit_final_dot=True)}"
    if isinstance(rdata, dns.rdtypes.ANY.PTR.PTR):
        return str(rdata.target.to_text(omit_final_dot=True))
    return str(rdata)
