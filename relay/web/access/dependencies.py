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
from relay.web.access.context import WebContext
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
class Principal:
    """A user, by one of their keys."""

    user: User
    key: ApiKey


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAuth:
    """Whoever asks, as the store knows them, and the agent they ask about."""

    plaintext: str
    principal: Principal
    address: str | None  # of the agent in the path, as it stands there
    agent: Agent | StoreError | None  # it, or why they cannot have it; None where the path names none

    def __repr__(self) -> str:
        return f"Asker({self.principal.key.id}, {self.address})"


def find_request_auth(tx: Tx, plaintext: str, address: str | None) -> RequestAuth | None:
    """Who holds the key *plaintext*, and their agent at *address*; None for a key that nobody holds."""
    found = find_holder(tx, plaintext)
    if found is None:
        return None
    principal = Principal(*found)
    agent = None if address is None else _own_agent(tx, principal, address)
    return RequestAuth(plaintext=plaintext, principal=principal, address=address, agent=agent)


def _own_agent(tx: Tx, principal: Principal, address: str) -> Agent | StoreError:
    try:
        agent = get_agent_by_id(tx, principal.user.id, address)
    except StoreError as error:
        return error
    return agent if principal.key.agent in {None, agent.address} else AgentNotFound()


def web_context(request: Request) -> WebContext:
    """What the daemon joined for the web."""
    ctx: WebContext = request.state.ctx
    return ctx


InjectedContext = Annotated[WebContext, Depends(web_context)]


async def request_auth(request: Request, _: Annotated[object, Depends(_documented)] = None) -> RequestAuth:
    """Whom the gate let in. Raises Unauthorized."""
    auth: RequestAuth | None = getattr(request.state, "auth", None)
    if auth is None:
        raise Unauthorized
    return auth


InjectedAuth = Annotated[RequestAuth, Depends(request_auth)]


async def any_principal(auth: InjectedAuth) -> Principal:
    """The holder of the request's key, whatever it may do. Raises Unauthorized."""
    return auth.principal


async def has_left(request: Request, auth: InjectedAuth, ctx: InjectedContext) -> Callable[[], Awaitable[bool]]:
    """A question for whoever keeps a request waiting: has the asker hung up, or must all requests end?

    It raises Unauthorized once their key is revoked, and AgentNotFound once the agent is not theirs.
    """

    async def look() -> bool:
        if ctx.closing.is_set() or await request.is_disconnected():
            return True
        now = await ctx.store.read_on_loop(lambda tx: find_request_auth(tx, auth.plaintext, auth.address))
        if now is None:
            raise Unauthorized
        if isinstance(now.agent, StoreError):
            raise now.agent
        return False

    return look


def _for_account(*scopes: Scope) -> Any:
    @raises(InsufficientScope)
    async def guard(principal: AnyPrincipal) -> Principal:
        return _require_account(principal, *scopes)

    return Depends(guard)


def _for_any(*scopes: Scope) -> Any:
    @raises(InsufficientScope)
    async def guard(principal: AnyPrincipal) -> Principal:
        return _require(principal, *scopes)

    return Depends(guard)


def _for_agent(*scopes: Scope) -> Any:
    @raises(AgentNotFound, InsufficientScope)
    async def guard(auth: InjectedAuth, address: Address) -> Agent:
        if isinstance(auth.agent, StoreError):
            raise auth.agent
        if auth.agent is None or auth.address != address:
            raise AgentNotFound
        _require(auth.principal, *scopes)
        return auth.agent

    return Depends(guard)


def require_admin(principal: Principal) -> None:
    """What Admin does, where a route must look first. Raises InsufficientScope."""
    _require_account(principal, "admin")


def _require_account(principal: Principal, *scopes: Scope) -> Principal:
    if principal.key.agent is not None:
        raise InsufficientScope("this API key is for one agent alone")
    return _require(principal, *scopes)


def _require(principal: Principal, *scopes: Scope) -> Principal:
    if not set(scopes) & set(principal.key.scopes):
        raise InsufficientScope(f"to {_SAYS[scopes[0]]}, an API key needs the scope {' or '.join(scopes)}")
    return principal


# Any valid key.
AnyPrincipal = Annotated[Principal, Depends(any_principal)]

# The account: a key with the scope that is not for one agent alone. Else 403.
Reader = Annotated[Principal, _for_account("read")]
Sender = Annotated[Principal, _for_account("send")]
Admin = Annotated[Principal, _for_account("admin")]
Viewer = Annotated[Principal, _for_account("read", "admin")]

# The same, and also a key that is for one agent alone: the route shows no more than that one.
AnyViewer = Annotated[Principal, _for_any("read", "admin")]

# The agent in the path: 404 unless it is the caller's, and the key's own where it has one; 403 without the scope.
AgentReader = Annotated[Agent, _for_agent("read")]
AgentSender = Annotated[Agent, _for_agent("send")]
AgentAdmin = Annotated[Agent, _for_agent("admin")]
AgentViewer = Annotated[Agent, _for_agent("read", "admin")]

HasLeft = Annotated[Callable[[], Awaitable[bool]], Depends(has_left)]
