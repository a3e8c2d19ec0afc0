"""No request pays a hop between threads for a function that does not wait: FastAPI runs each that is no coroutine in one."""

import inspect
from functools import partial
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Route

from relay.web.app import make_api


def routes(router):
    for each in router.routes:
        inner = getattr(each, "original_router", each)  # FastAPI's of an included router
        if hasattr(inner, "routes"):
            yield from routes(inner)
        else:
            yield each


def unwrapped(call):
    while isinstance(call, partial):
        call = call.func
    return call if inspect.isroutine(call) or inspect.isclass(call) else type(call).__call__


def is_async(call):
    found = unwrapped(call)
    return inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found)


def calls(dependant):
    yield dependant.call
    for each in dependant.dependencies:
        yield from calls(each)


def sync_of(app):
    found = set()
    for route in routes(app):
        every = calls(route.dependant) if isinstance(route, APIRoute) else [route.endpoint]
        found |= {f"{route.path}: {getattr(call, '__name__', call)}" for call in every if not is_async(call)}
    return found


def test_a_function_that_is_no_coroutine_is_found():
    def sync_dependency():
        return 1

    async def route(_: Annotated[int, Depends(sync_dependency)]):
        return 1

    api = FastAPI()
    api.get("/here")(route)

    assert {"/here: sync_dependency"} == {each for each in sync_of(api) if each.startswith("/here")}


def test_every_route_and_every_dependency_is_a_coroutine():
    api = make_api()

    assert sum(isinstance(each, Route) for each in routes(api)) > 50
    assert set() == sync_of(api)
