"""FastAPI dependencies for authorization: API key, scopes, the agent in the path.

relay/web/access/auth_middleware.py authenticates the request before routing. A route declares
the access it needs by the annotated type of a parameter, such as `AgentReader`. A route without
such a parameter is public.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

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
Guard = TypeVar("Guard", bound=Callable[..., Any])
_CHECK: Final = "__checks__"
Address = Annotated[str, Path(description="The agent's address, URL-encoded.", examples=["support@agents.example"])]
_SAYS: Final[dict[Scope, str]] = {
    "read": "read mail",
    "work": "lease, acknowledge and mark mail",
    "send": "send mail",
    "admin": "administer the account",
}


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated user, with the API key of the request."""

    user: User
    key: ApiKey


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAuth:
    """The principal of a request, and the agent named in its path."""

    plaintext: str
    principal: Principal
    address: str | None  # of the agent, as written in the path
    agent: Agent | StoreError | None  # the agent, or why access is denied; None without an agent in the path

    def __repr__(self) -> str:
        return f"RequestAuth({self.principal.key.id}, {self.address})"


def find_request_auth(tx: Tx, plaintext: str, address: str | None) -> RequestAuth | None:
    """Look up the owner of the key *plaintext* and their agent at *address*.

    None if the key is unknown or revoked.
    """
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


async def web_context(request: Request) -> WebContext:
    """The context of the application that handles *request*."""
    ctx: WebContext = request.state.ctx
    return ctx


InjectedContext = Annotated[WebContext, Depends(web_context)]


async def request_auth(request: Request, _: Annotated[object, Depends(_documented)] = None) -> RequestAuth:
    """The authentication of the request. Raises Unauthorized."""
    auth: RequestAuth | None = getattr(request.state, "auth", None)
    if auth is None:
        raise Unauthorized
    return auth


InjectedAuth = Annotated[RequestAuth, Depends(request_auth)]


async def any_principal(auth: InjectedAuth) -> Principal:
    """The principal of the request, with any scope. Raises Unauthorized."""
    return auth.principal


async def has_left(request: Request, auth: InjectedAuth, ctx: InjectedContext) -> Callable[[], Awaitable[bool]]:
    """A callable for long-polling: whether to stop waiting.

    True if the client has disconnected or the server stops. The callable raises Unauthorized once
    the key is revoked, and AgentNotFound once the agent belongs to another user.
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


def checks(check: Callable[[RequestAuth], object]) -> Callable[[Guard], Guard]:
    """Declare what a guard checks of the authentication alone: JsonRoute checks it before it reads the body."""

    def mark(guard: Guard) -> Guard:
        setattr(guard, _CHECK, check)
        return guard

    return mark


def check_of(guard: Callable[..., Any] | None) -> Callable[[RequestAuth], object] | None:
    """The check declared for *guard* by `checks`; None for other dependencies."""
    check: Callable[[RequestAuth], object] | None = getattr(guard, _CHECK, None)
    return check


def _for_account(*scopes: Scope) -> Any:
    @checks(lambda auth: _require_account(auth.principal, *scopes))
    @raises(InsufficientScope)
    async def guard(principal: AnyPrincipal) -> Principal:
        return _require_account(principal, *scopes)

    return Depends(guard)


def _for_any(*scopes: Scope) -> Any:
    @checks(lambda auth: _require(auth.principal, *scopes))
    @raises(InsufficientScope)
    async def guard(principal: AnyPrincipal) -> Principal:
        return _require(principal, *scopes)

    return Depends(guard)


def _for_agent(*scopes: Scope) -> Any:
    @checks(lambda auth: _require_agent(auth, *scopes))
    @raises(AgentNotFound, InsufficientScope)
    async def guard(auth: InjectedAuth, address: Address) -> Agent:
        if auth.address != address:
            raise AgentNotFound
        return _require_agent(auth, *scopes)

    return Depends(guard)


def require_admin(principal: Principal) -> None:
    """Check for the scope ``admin`` inside a route, like `Admin`.

    Raises InsufficientScope.
    """
    _require_account(principal, "admin")


def _require_account(principal: Principal, *scopes: Scope) -> Principal:
    if principal.key.agent is not None:
        raise InsufficientScope("this API key is restricted to one agent")
    return _require(principal, *scopes)


def _require_agent(auth: RequestAuth, *scopes: Scope) -> Agent:
    if isinstance(auth.agent, StoreError):
        raise auth.agent
    if auth.agent is None:
        raise AgentNotFound
    _require(auth.principal, *scopes)
    return auth.agent


def _require(principal: Principal, *scopes: Scope) -> Principal:
    if not set(scopes) & set(principal.key.scopes):
        raise InsufficientScope(f"to {_SAYS[scopes[0]]}, an API key needs the scope {' or '.join(scopes)}")
    return principal


# Any valid key.
AnyPrincipal = Annotated[Principal, Depends(any_principal)]

# For the account: a key with the scope that is not restricted to one agent. Otherwise 403.
Reader = Annotated[Principal, _for_account("read")]
Sender = Annotated[Principal, _for_account("send")]
Admin = Annotated[Principal, _for_account("admin")]
Viewer = Annotated[Principal, _for_account("read", "admin")]

# As Viewer, but also a key restricted to one agent; the route then shows only that agent.
AnyViewer = Annotated[Principal, _for_any("read", "admin")]

# The agent in the path: 404 unless the caller owns it and the key allows it; 403 without the scope.
AgentReader = Annotated[Agent, _for_agent("read")]
AgentWorker = Annotated[Agent, _for_agent("work")]
AgentSender = Annotated[Agent, _for_agent("send")]
AgentAdmin = Annotated[Agent, _for_agent("admin")]
AgentViewer = Annotated[Agent, _for_agent("read", "admin")]

HasLeft = Annotated[Callable[[], Awaitable[bool]], Depends(has_left)]
