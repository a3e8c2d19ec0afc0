"""What every command has at hand, each made when first asked for."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import click

from relay.clock import SystemClock
from relay.data_dir_lock import running
from relay.settings import Settings, load
from relay.signing.secrets import MasterKey
from relay.wiring import make_master, open_database
from store.directory.agents import get_agent_by_email
from store.directory.users import get_user_by_email
from store.engine import Store
from store.records.mail import Agent, Page, User
from store.transaction import Tx

T = TypeVar("T")


class Program:
    """The settings of this call, and what follows from them."""

    def __init__(self, config: Path | None) -> None:
        self._config = config
        self.clock = SystemClock()

    @cached_property
    def settings(self) -> Settings:
        """From the environment and the file. Raises Misconfigured."""
        return load(os.environ, self._config)

    @cached_property
    def store(self) -> Store:
        """The store, to be used with run(). Raises Misconfigured."""
        return self.open_store()

    @cached_property
    def master(self) -> MasterKey:
        """The key that opens stored secrets. Raises Misconfigured."""
        return make_master(self.settings)

    def open_store(self, *, may_migrate: bool | None = None) -> Store:
        """A store whose connections end with the command. Raises Misconfigured, DaemonRuns while it is being moved."""
        click.get_current_context().with_resource(running(self.settings.data_dir))
        store = open_database(self.settings, may_migrate=may_migrate)
        click.get_current_context().call_on_close(store.engine.dispose)
        return store

    def now(self) -> datetime:
        """The time."""
        return self.clock.now()

    def user(self, email: str) -> User:
        """The user with this email. Raises UserNotFound."""
        return self.store.run(lambda tx: get_user_by_email(tx, email))

    def agent(self, address: str) -> Agent:
        """The agent at this address, whoever owns it. Raises AgentNotFound."""
        return self.store.run(lambda tx: get_agent_by_email(tx, address))

    def whole(self, ask: Callable[[str | None, Tx], Page[T]]) -> Iterator[T]:
        """Every item of a list, a page a transaction; *ask* answers the page behind a cursor."""
        cursor: str | None = None
        while True:
            page = self.store.run(partial(ask, cursor))
            yield from page.items
            if (cursor := page.next_cursor) is None:
                return

    def owner_of(self, agent: Agent) -> str:
        """The id of the agent's user; the operator's own postmaster has none. Raises UsageError."""
        if agent.user_id is None:
            raise click.UsageError(f"{agent.address} is the operator's own")
        return agent.user_id


pass_program = click.make_pass_decorator(Program)
