"""Who is asking, and what they may: the key of a request, its scopes, and the agent it is about.

The gate finds the asker before a route is chosen (relay/web/access/auth_middleware.py); a route names what it needs by
the type of a parameter. A route that names nothing of this is open to everybody.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Request
from fastapi.security import HTTPBearer

from relay.directory.keys import find_holder
from relay.web.access.context import House
from relay.web.answers.error_responses import raises
from relay.web.answers.errors import InsufficientScope, Unauthorized
from store.directory.agents import get_agent_by_id
from store.errors import AgentNotFound, StoreError
from store.records.mail import Agent, ApiKey, Scope, User
from store.transaction import Tx

_documented = HTTPBearer(
    auto_error=False,
    scheme_name="ApiKey",
    bearerFormat="mk_…",
    description="An API key, `mk_…`, made by `POST /v1/keys` or `mailseal key create`.",
)
Address = Annotated[str, Path(description="The agent's address, URL-encoded.", examples=["support@agents.example"])]
_SAYS: Final[dict[Scope, str]] = {
    "read": "read and work with mail",
    "send": "send mail",
    "admin": "administer the account",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, by one of their keys."""

    user: User
    key: ApiKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Whoever asks, as the store knows them, and the agent they ask about."""

    plaintext: str
    caller: Caller
    address: str | None  # of the agent in the path, as it stands there
    agent: Agent | StoreError | None  # it, or why they cannot have it; None where the path names none

    def __repr__(self) -> str:
        return f"Asker({self.caller.key.id}, {self.address})"


def find_asker(tx: Tx, plaintext: str, address: str | None) -> Asker | None:
    """Who holds the key *plaintext*, and their agent at *address*; None for a key that nobody holds."""
    found = find_holder(tx, plaintext)
    if found is None:
        return None
    caller = Caller(*found)
    agent = None if address is None else _own_agent(tx, caller, address)
    return Asker(plaintext=plaintext, caller=caller, address=address, agent=agent)


def _own_agent(tx: Tx, caller: Caller, address: str) -> Agent | StoreError:
    try:
        agent = get_agent_by_id(tx, caller.user.id, address)
    except StoreError as error:
        return error
    return agent if caller.key.agent in {None, agent.address} else AgentNotFound()


def the_house(request: Request) -> House:
    """What the daemon joined for the web."""
    house: House = request.state.house
    return house


TheHouse = Annotated[House, Depends(the_house)]


async def the_asker(request: Request, _: Annotated[object, Depends(_documented)] = None) -> Asker:
    """Whom the gate let in. Raises Unauthorized."""
    asker: Asker | None = getattr(request.state, "asker", None)
    if asker is None:
        raise Unauthorized
    return asker


TheAsker = Annotated[Asker, Depends(the_asker)]


async def any_caller(asker: TheAsker) -> Caller:
    """The holder of the request's key, whatever it may do. Raises Unauthorized."""
    return asker.caller


async def has_left(request: Request, asker: TheAsker, house: TheHouse) -> Callable[[], Awaitable[bool]]:
    """A question for whoever keeps a request waiting: has the asker hung up, or must all requests end?

    It raises Unauthorized once their key is revoked, and AgentNotFound once the agent is not theirs.
    """

    async def look() -> bool:
        if house.closing.is_set() or await request.is_disconnected():
            return True
        now = await house.store.glance(lambda tx: find_asker(tx, asker.plaintext, asker.address))
        if now is None:
            raise Unauthorized
        if isinstance(now.agent, StoreError):
            raise now.agent
        return False

    return look


def _for_account(*scopes: Scope) -> Any:
    @raises(InsufficientScope)
    async def guard(caller: AnyCaller) -> Caller:
        return _require_account(caller, *scopes)

    return Depends(guard)


def _for_any(*scopes: Scope) -> Any:
    @raises(InsufficientScope)
    async def guard(caller: AnyCaller) -> Caller:
        return _require(caller, *scopes)

    return Depends(guard)


def _for_agent(*scopes: Scope) -> Any:
    @raises(AgentNotFound, InsufficientScope)
    async def guard(asker: TheAsker, address: Address) -> Agent:
        if isinstance(asker.agent, StoreError):
            raise asker.agent
        if asker.agent is None or asker.address != address:
            raise AgentNotFound
        _require(asker.caller, *scopes)
        return asker.agent

    return Depends(guard)


def require_admin(caller: Caller) -> None:
    """What Admin does, where a route must look first. Raises InsufficientScope."""
    _require_account(caller, "admin")


def _require_account(caller: Caller, *scopes: Scope) -> Caller:
    if caller.key.agent is not None:
        raise InsufficientScope("this API key is for one agent alone")
    return _require(caller, *scopes)


def _require(caller: Caller, *scopes: Scope) -> Caller:
    if not set(scopes) & set(caller.key.scopes):
        raise InsufficientScope(f"to {_SAYS[scopes[0]]}, an API key needs the scope {' or '.join(scopes)}")
    return caller


# Any valid key.
AnyCaller = Annotated[Caller, Depends(any_caller)]

# The account: a key with the scope that is not for one agent alone. Else 403.
Reader = Annotated[Caller, _for_account("read")]
Sender = Annotated[Caller, _for_account("send")]
Admin = Annotated[Caller, _for_account("admin")]
Viewer = Annotated[Caller, _for_account("read", "admin")]

# The same, and also a key that is for one agent alone: the route shows no more than that one.
AnyViewer = Annotated[Caller, _for_any("read", "admin")]

# The agent in the path: 404 unless it is the caller's, and the key's own where it has one; 403 without the scope.
AgentReader = Annotated[Agent, _for_agent("read")]
AgentSender = Annotated[Agent, _for_agent("send")]
AgentAdmin = Annotated[Agent, _for_agent("admin")]
AgentViewer = Annotated[Agent, _for_agent("read", "admin")]

HasLeft = Annotated[Callable[[], Awaitable[bool]], Depends(has_left)]
