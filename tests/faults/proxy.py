"""A network between a daemon and its PostgreSQL that loses packets, resets connections or leads to another server."""

import asyncio
import contextlib

from sqlalchemy import make_url

from tests.outbound.lines import Listening

_CHUNK = 65536


class Network(Listening):
    """``async with Network(url) as network``: a TCP port that leads to the PostgreSQL server of a URL."""

    def __init__(self, url: str) -> None:
        self.url = url  # may change: connections that are open stay where they are
        self._open = asyncio.Event()
        self._open.set()
        self._cut_at: bytes = b""
        self._passes_mark = False
        self._was_cut = asyncio.Event()
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._lost: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        self.reset()
        await asyncio.sleep(0)  # the transports close

    def behind(self, url: str) -> str:
        """The database *url* as a client finds it through this network."""
        found = make_url(url).set(host="127.0.0.1", port=self.port, query={})
        return found.render_as_string(hide_password=False)

    def drop(self) -> None:
        """Lose all packets from now on; connections are accepted, and nothing passes."""
        self._open.clear()

    def restore(self, *, old_connections: bool) -> None:
        """Pass packets again; without *old_connections* those that were open stay silent without an end."""
        if not old_connections:
            self._lost |= self._pairs
        self._open.set()

    def reset(self) -> None:
        """End all connections with RST."""
        for pair in list(self._pairs):
            self._abort(pair)

    async def cut_at(self, mark: bytes, *, passes: bool, seconds: float) -> bool:
        """Reset the connection whose client sends *mark* next; with *passes* the server gets the mark first.

        Returns whether that came within *seconds*.
        """
        self._was_cut.clear()
        self._cut_at, self._passes_mark = mark, passes
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._was_cut.wait(), seconds)
        self._cut_at = b""
        return self._was_cut.is_set()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            await self._open.wait()
            far_reader, far_writer = await self._connect()
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            return
        finally:
            self.tasks.discard(task)
        pair = (writer, far_writer)
        self._pairs.add(pair)
        for source, sink, is_up in ((reader, far_writer, True), (far_reader, writer, False)):
            passing = asyncio.ensure_future(self._pass(source, sink, pair, is_up=is_up))
            self.tasks.add(passing)
            passing.add_done_callback(self.tasks.discard)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        url = make_url(self.url)
        folder, port = url.query.get("host"), url.port or 5432
        if folder:
            return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.{port}")
        return await asyncio.open_connection(url.host or "127.0.0.1", port)

    async def _pass(self, reader, writer, pair, *, is_up: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._open.wait()
                if pair in self._lost:
                    await asyncio.Event().wait()
                if is_up and self._cut_at and self._cut_at in data:
                    if self._passes_mark:
                        writer.write(data)
                        await writer.drain()
                        await asyncio.sleep(0.05)  # the server reads it
                    self._cut_at = b""
                    self._was_cut.set()
                    break
                writer.write(data)
                await writer.drain()
        if pair not in self._lost:
            self._abort(pair)

    def _abort(self, pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self._pairs.discard(pair)
        self._lost.discard(pair)
        for writer in pair:
            writer.transport.abort()
