"""Asking two stores the same question in turns, and what it took each."""

import gc
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from store.directory.keys import list_api_keys, touch_api_key
from store.engine import Store
from store.transaction import Tx, Unit
from tests.bench.store.questions import Question, Side

MOST: Final = 2.0  # times its cost on the empty store that a read may cost on the full one
_WARMING: Final = 12  # PostgreSQL plans a prepared statement for good after ten
_MINUTE: Final = timedelta(minutes=1)


class _UndoneError(Exception):
    """Nothing of the unit is to be kept."""


@dataclass(frozen=True, slots=True)
class Times:
    """What a question took on one side, in microseconds."""

    median: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What a question took on both sides."""

    empty: Times
    full: Times
    ratio: float  # the median over askings that came one after the other, which a busy machine slows alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one question."""

    name: str
    kind: str
    empty_rows: int
    full_rows: int
    warm: Pair  # the same asked again on a connection that nobody disturbs
    touched: Pair | None  # something else each time, after somebody else's commit; None of what is kept

    @property
    def is_slow(self) -> bool:
        """Whether a read costs too much more on the full store."""
        pairs = (self.warm, self.touched)
        return self.kind == "read" and any(pair is not None and pair.ratio > MOST for pair in pairs)


class Neighbour:
    """Somebody else who uses the same database, so that what a connection remembers of it is out of date."""

    def __init__(self, side: Side, store: Store) -> None:
        self._side = side
        self._store = store
        self._key = store.run(lambda tx: list_api_keys(tx, side.user_id)[0].id)
        self._now = side.now

    def commit(self) -> None:
        """Change a row."""
        self._now += _MINUTE
        self._store.run(lambda tx: touch_api_key(tx, self._key, now=self._now))


def ask(question: Question, empty: Side, full: Side, neighbours: Sequence[Neighbour], *, turns: int) -> Answer:
    """Both sides *turns* times, undisturbed and then disturbed; what is kept only once."""
    turns = question.turns or turns
    sides = (empty, full)
    rows = [count(_once(question, side, 0)[1]) for side in sides]
    with quiet():
        warm = _pair(_alternate(question, sides, turns, warming=_WARMING))
        touched = None
        if question.kind != "kept":
            touched = _pair(_alternate(question, sides, turns // 2, neighbours=neighbours))
    return Answer(
        name=question.name, kind=question.kind, empty_rows=rows[0], full_rows=rows[1], warm=warm, touched=touched
    )


def count(answer: Any) -> int:
    """How many things an answer is."""
    for things in ("items", "count"):
        found = getattr(answer, things, None)
        if isinstance(found, int):
            return found
        if isinstance(found, Sequence):
            return len(found)
    if answer is None:
        return 0
    return 1 if isinstance(answer, str | tuple) else len(answer)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the garbage collector, which would come by at a time of its own."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


def _alternate(
    question: Question, sides: Sequence[Side], turns: int, *, warming: int = 0, neighbours: Sequence[Neighbour] = ()
) -> list[list[int]]:
    took: list[list[int]] = [[], []]
    for turn in range(-warming, turns):
        for place in (0, 1) if turn % 2 else (1, 0):
            for neighbour in neighbours[place : place + 1]:
                neighbour.commit()
            nanoseconds, _ = _once(question, sides[place], turn if neighbours else 0)
            if turn >= 0:
                took[place].append(nanoseconds)
    return took


def _once(question: Question, side: Side, turn: int) -> tuple[int, Any]:
    """One asking: its nanoseconds, of the unit alone or with its commit, and the answer."""
    unit = question.unit(side, turn)
    if question.kind == "kept":
        began = time.perf_counter_ns()
        answer = side.store.run(unit)
        return time.perf_counter_ns() - began, answer
    return _inside(side.store, unit, undo=question.kind == "undone")


def _inside(store: Store, unit: Unit[Any], *, undo: bool) -> tuple[int, Any]:
    """The unit without what opens and ends its transaction, which is the same on every store."""
    found: list[tuple[int, Any]] = []

    def timed(tx: Tx) -> None:
        began = time.perf_counter_ns()
        answer = unit(tx)
        tx.flush()
        found.append((time.perf_counter_ns() - began, answer))
        if undo:
            raise _UndoneError

    with suppress(_UndoneError):
        store.run(timed)
    return found[-1]


def _pair(took: list[list[int]]) -> Pair:
    ratios = [full / empty for empty, full in zip(*took, strict=True)]
    empty, full = (_times(nanoseconds) for nanoseconds in took)
    return Pair(empty=empty, full=full, ratio=statistics.median(ratios))


def _times(nanoseconds: list[int]) -> Times:
    ordered = sorted(nanoseconds)
    return Times(statistics.median(ordered) / 1000, ordered[int(len(ordered) * 0.99)] / 1000)
