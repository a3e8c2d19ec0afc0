"""Where an agent is in the API's paths.

A server decodes a path before anybody looks at it, so a ``/`` that was written as ``%2F`` cannot be told from one
that parts two steps. A local part may hold one (RFC 5322 §3.2.3) and never an ``@``, a domain neither: so what stands
up to the ``@`` and on to the next ``/`` is one address.
"""

from typing import Final

from starlette.convertors import Convertor, register_url_convertor

ADDRESS: Final = "[^@]+@[^/@]+|[^/@]+"
AGENT: Final = "/v1/agents/{address:agent}"
AGENT_PAGE: Final = "/agents/{address:agent}"


class _AddressConvertor(Convertor[str]):
    """An agent's address as a step of a path."""

    regex = ADDRESS

    def convert(self, value: str) -> str:
        """The address as it stands there."""
        return value

    def to_string(self, value: str) -> str:
        """The address as it is."""
        return value


# The framework keeps these in a table of its own; each prefix above is read with it.
register_url_convertor("agent", _AddressConvertor())
