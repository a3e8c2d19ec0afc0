"""Match agent addresses in URL paths, including addresses that contain a slash.

The server decodes the path before routing, so ``%2F`` is indistinguishable from a path separator.
A local part may contain ``/`` (RFC 5322 §3.2.3) but no ``@``; a domain contains neither. The text up to
the ``@`` and on to the next ``/`` is therefore one address.
"""

from typing import Final

from starlette.convertors import Convertor, register_url_convertor

ADDRESS: Final = "[^@]+@[^/@]+|[^/@]+"
AGENT: Final = "/v1/agents/{address:agent}"
AGENT_PAGE: Final = "/agents/{address:agent}"


class _AddressConvertor(Convertor[str]):
    """Path convertor for an agent's address."""

    regex = ADDRESS

    def convert(self, value: str) -> str:
        """The address unchanged."""
        return value

    def to_string(self, value: str) -> str:
        """The address unchanged."""
        return value


# Starlette keeps convertors in a global table; the path constants above refer to "agent".
register_url_convertor("agent", _AddressConvertor())
