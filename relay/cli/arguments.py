"""Options and types of values that several commands take."""

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

    from relay.mail.address import Address

user_option: Final = click.option("--user", "email", required=True, help="The owner, by email.")


def ip_type(value: str) -> "IPv4Address | IPv6Address":
    """An IPv4 or IPv6 address, as the ``type`` of an option. Raises BadParameter."""
    from relay.mail.envelope import peer_ip

    try:
        return peer_ip(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not an IP address") from error


def sender_type(value: str) -> "Address | None":
    """A reverse-path as MAIL FROM takes it, with or without angle brackets. Raises BadAddress.

    None for the null reverse-path: empty or ``<>``.
    """
    from relay.errors import BadAddress
    from relay.smtp.grammar import SyntaxRefused, split_path
    from relay.smtp.replies import BAD_ARGUMENT

    text = value.strip()
    try:
        address, rest = split_path(text if text.startswith("<") else f"<{text}>", BAD_ARGUMENT)
    except SyntaxRefused as error:
        raise BadAddress(f"not an address: {value!r}") from error
    if rest or (address and not address.domain):
        raise BadAddress(f"not an address: {value!r}")
    return address


def recipient_type(value: str) -> "Address":
    """A recipient as RCPT TO takes it. Raises BadAddress."""
    from relay.errors import BadAddress

    address = sender_type(value)
    if address is None:
        raise BadAddress(f"not an address: {value!r}")
    return address
