"""Check that the installed uvicorn and h11 have the attributes that this package overrides or reads.

They are no public interface of these libraries, so a new release may remove one.
"""

from dis import get_instructions
from functools import cache
from importlib.metadata import version
from types import FunctionType
from typing import Final

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from relay.errors import Misconfigured

_PROTOCOL: Final = (
    "_unset_keepalive_if_required",
    "conn",
    "connection_lost",
    "connection_made",
    "connections",
    "cycle",
    "data_received",
    "loop",
    "on_response_complete",
    "pause_writing",
    "resume_writing",
    "scope",
    "send_400_response",
    "timeout_keep_alive_handler",
    "transport",
)
_SERVER: Final = (
    "capture_signals",
    "config",
    "lifespan",
    "main_loop",
    "on_tick",
    "serve",
    "server_state",
    "shutdown",
    "started",
    "startup",
)
REQUIRED: Final[tuple[tuple[type, tuple[str, ...]], ...]] = (
    (H11Protocol, _PROTOCOL),
    (RequestResponseCycle, ("disconnected", "message_event")),
    (uvicorn.Server, _SERVER),
    (h11.Connection, ("next_event", "our_state", "send", "their_state", "trailing_data")),
)


def check_http_libraries(required: tuple[tuple[type, tuple[str, ...]], ...] = REQUIRED) -> None:
    """Return if each class has its *required* attributes. Raises Misconfigured with the missing ones."""
    missing = [f"{kind.__name__}.{name}" for kind, names in required for name in names if name not in _names(kind)]
    if missing:
        raise Misconfigured(
            f"the HTTP server cannot run on uvicorn {version('uvicorn')} with h11 {version('h11')}, which lack "
            f"{', '.join(missing)}: install the versions in packaging/constraints.txt"
        )


@cache
def _names(kind: type) -> set[str]:
    """The attributes of a class and those that its methods assign to its instances.

    Cached, as disassembling the methods takes tens of milliseconds.
    """
    methods = [value for base in kind.__mro__ for value in vars(base).values() if isinstance(value, FunctionType)]
    return set(dir(kind)).union(
        step.argval for each in methods for step in get_instructions(each) if step.opname == "STORE_ATTR"
    )
