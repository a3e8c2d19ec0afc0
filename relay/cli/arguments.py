"""Options and kinds of value that several commands take."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import click

whose: Final = click.option("--user", "email", required=True, help="Whose, by email.")


def ip_type(value: str) -> IPv4Address | IPv6Address:
    """An IPv4 or IPv6 address, as the ``type`` of an option. Raises BadParameter."""
    try:
        return ip_address(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not an IP address") from error
