"""Options and types of values that several commands take."""

from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

user_option: Final = click.option("--user", "email", required=True, help="The owner, by email.")


def ip_type(value: str) -> "IPv4Address | IPv6Address":
    """An IPv4 or IPv6 address, as the ``type`` of an option. Raises BadParameter."""
    from ipaddress import ip_address

    try:
        return ip_address(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not an IP address") from error
