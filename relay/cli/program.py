"""What the commands share: settings, master key and store, each made when a command first asks for it."""

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from relay.clock import SystemClock

if TYPE_CHECKING:
    from relay.settings import Settings
    from relay.signing.secrets import MasterKey
    from store.engine import Store
    from store.records.mail import Agent, Page, User
    from store.transaction import Tx

T = TypeVar("T")


class Program:
    """The settings of one call of the command line, and what follows from them."""

    def __init__(self, config: Path | None) -> None:
        self._config = config
        self.clock = SystemClock()

    @cached_property
    def settings(self) -> "Settings":
        """From the environment and the TOML file. Raises Misconfigured."""
        return self.load_settings()

    def load_settings(self) -> "Settings":
        """The settings as the environment and the TOML file are now. Raises Misconfigured."""
        from relay.outbound.couriers.registry import find_courier
        from relay.settings import DEFAULT_CONFIG, load

        settings = load(os.environ, self._config or (DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None))
        find_courier(settings)
        return settings

    @cached_property
    def store(self) -> "Store":
        """The store, used by run(). Raises Misconfigured."""
        return self.open_store()

    @cached_property
    def master(self) -> "MasterKey":
        """The key that decrypts stored secrets, once the store is open: it is the store's own. Raises Misconfigured."""
        from relay.master_files import read_master

        _ = self.store
        return read_master(self.settings)

    def open_store(self, *, may_migrate: bool | None = None) -> "Store":
        """The store, closed when the command ends. Raises Misconfigured, Unavailable, DaemonRuns while it is moved."""
        from relay.data_dir_lock import shared_lock
        from relay.database import open_database, require_store

        require_store(self.settings)  # before the lock, which would make the data directory
        click.get_current_context().with_resource(shared_lock(self.settings.data_dir))
        store = open_database(self.settings, now=self.now(), may_migrate=may_migrate)
        click.get_current_context().call_on_close(store.engine.dispose)
        return store

    def make_store(self, *, is_new: bool) -> "Store":
        """The store, made if there is none. Raises the same errors as open_store."""
        from relay.data_dir_lock import shared_lock
        from relay.database import make_database

        click.get_current_context().with_resource(shared_lock(self.settings.data_dir))
        store = make_database(self.settings, now=self.now(), is_new=is_new)
        click.get_current_context().call_on_close(store.engine.dispose)
        return store

    def now(self) -> datetime:
        """The time."""
        return self.clock.now()

    def user(self, email: str) -> "User":
        """The user with this email. Raises UserNotFound."""
        from store.directory.users import get_user_by_email

        return self.store.run(lambda tx: get_user_by_email(tx, email))

    def agent(self, address: str) -> "Agent":
        """The agent at this address, of any user. Raises AgentNotFound."""
        from store.directory.agents import get_agent_by_email

        return self.store.run(lambda tx: get_agent_by_email(tx, address))

    def all_pages(self, ask: "Callable[[str | None, Tx], Page[T]]") -> Iterator[T]:
        """Every item of a list, one transaction for each page; *ask* returns the page after a cursor."""
        cursor: str | None = None
        while True:
            page = self.store.run(partial(ask, cursor))
            yield from page.items
            if (cursor := page.next_cursor) is None:
                return

    def owner_of(self, agent: "Agent") -> str:
        """The id of the agent's user; the operator's own postmaster has none. Raises UsageError."""
        if agent.user_id is None:
            raise click.UsageError(f"{agent.address} belongs to the operator, not to a user")
        return agent.user_id


pass_program = click.make_pass_decorator(Program)
