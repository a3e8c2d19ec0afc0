"""Who is asking: the API key of a request, and what it may see."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import Depends, Path, Request
from fastapi.security import HTTPBearer

from relay.directory.keys import find_holder
from relay.web.house import House
from relay.web.problems import Unauthorized
from store.agents import get_agent_by_id
from store.keys import TOUCH_EVERY, touch_api_key
from store.records import Agent, ApiKey, User

_SCHEME: Final = "bearer "
_REMEMBERED: Final = 10_000  # keys whose last use is kept in mind
_documented = HTTPBearer(auto_error=False, description="An API key, `mk_…`.")


@dataclass(frozen=True, slots=True)
class Caller:
    """A user, by one of their keys."""

    user: User
    key: ApiKey


class LastUse:
    """Which keys were used lately, so that a busy one costs a write a minute and not one a request."""

    def __init__(self) -> None:
        self._at: dict[str, datetime] = {}

    def is_due(self, key: ApiKey, now: datetime) -> bool:
        """Whether this use should be written down."""
        last = self._at.get(key.id) or key.last_used_at
        if last is not None and now - last < TOUCH_EVERY:
            return False
        if len(self._at) >= _REMEMBERED:
            self._at.clear()
        self._at[key.id] = now
        return True


def the_house(request: Request) -> House:
    """What the daemon joined for the web."""
    house: House = request.app.state.house
    return house


async def caller(
    request: Request, house: Annotated[House, Depends(the_house)], _: Annotated[object, Depends(_documented)] = None
) -> Caller:
    """The holder of the request's key. Raises Unauthorized."""
    header = request.headers.get("authorization", "")
    if not header.lower().startswith(_SCHEME):
        raise Unauthorized
    plaintext = header[len(_SCHEME) :].strip()
    found = await house.store.read(lambda tx: find_holder(tx, plaintext))
    if found is None:
        raise Unauthorized
    user, key = found
    now = house.clock.now()
    last_use: LastUse = request.app.state.last_use
    if last_use.is_due(key, now):
        await house.store.write(lambda tx: touch_api_key(tx, key.id, now=now))
    return Caller(user, key)


async def own_agent(
    address: Annotated[str, Path(description="The agent's address, URL-encoded.")],
    house: Annotated[House, Depends(the_house)],
    who: Annotated[Caller, Depends(caller)],
) -> Agent:
    """The caller's agent of the path. Raises AgentNotFound, for another's too."""
    return await house.store.read(lambda tx: get_agent_by_id(tx, who.user.id, address))


TheHouse = Annotated[House, Depends(the_house)]
TheCaller = Annotated[Caller, Depends(caller)]
OwnAgent = Annotated[Agent, Depends(own_agent)]
