"""An event loop in virtual time, on which whole processes live, stand still and die by a seed.

Nothing is waited for: when nobody can go on, time jumps to the next timer. What would run in a
thread (a COMMIT) runs on the loop, after a delay that the seed draws. Everything that was begun in
a life belongs to it; when that life ends, none of it ever runs again, as after `kill -9`.
"""

import asyncio
import os
import random
import selectors
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVarTuple

from meshplane.kit import ids

Ts = TypeVarTuple("Ts")

_LIFE: ContextVar["Life | None"] = ContextVar("life", default=None)


class NothingLeft(Exception):
    """Nobody can go on, and no timer is set: the simulated world waits for ever."""


class Life:
    """What belongs to one process, from its start to its end.

    Args:
        name: tells it from others.
        while_writing: called while something of it is on its way to the disk.
    """

    def __init__(self, name: str, while_writing: Callable[[], None]) -> None:
        self.name = name
        self.while_writing = while_writing
        self.is_over = False
        self.stands_still = False
        self.held_until = 0.0
        self.held: list[Callable[[], object]] = []

    @staticmethod
    def present() -> "Life | None":
        """The life that the running code belongs to."""
        return _LIFE.get()

    def begin(self, call: Callable[[], Any]) -> Any:
        """Calls a function as a part of this life; so is all that it starts."""
        return self.context().run(call)

    def context(self) -> Context:
        """A context whose tasks belong to this life."""
        context = copy_context()
        context.run(_LIFE.set, self)
        return context


class _Jump(selectors.SelectSelector):
    """Never waits: time passes in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise NothingLeft
        self.passed += max(timeout, 0.0)
        return []


class SimulatedLoop(asyncio.SelectorEventLoop):
    """The loop.

    Args:
        chance: draws how long what runs in threads takes.
        disk_seconds: how long that is on average.
    """

    def __init__(self, chance: random.Random, disk_seconds: float = 0.003) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._chance = chance
        self._disk_seconds = disk_seconds
        self.set_exception_handler(lambda loop, context: None)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jump.passed

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """See `asyncio.loop.call_soon`."""
        return super().call_soon(self._of_life(callback, args, context), context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """See `asyncio.loop.call_at`."""
        return super().call_at(when, self._of_life(callback, args, context), context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Runs it here, a little later."""
        done: asyncio.Future[Any] = self.create_future()

        def run() -> None:
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001 - handed to whoever waits
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(result)

        seconds = self._chance.expovariate(1 / self._disk_seconds)
        life = Life.present()
        if life is not None:
            self.call_later(seconds / 2, life.while_writing)
        self.call_later(seconds, run)
        return done

    def hold(self, life: Life, seconds: float) -> None:
        """A life stands still for that long, as a stopped process does; timers are late then."""
        life.held_until = max(life.held_until, self.time() + seconds)
        life.stands_still = True
        self.call_at(life.held_until, self._resume, life, context=Context())

    def clear(self, lives: Iterable[Life]) -> None:
        """Ends all tasks, dead ones too, so that none is left to be ended by the interpreter."""
        for life in lives:
            life.is_over, life.held_until = False, 0.0
            self._resume(life)
        while left := asyncio.all_tasks(self):
            for task in left:
                task.cancel()
            self.run_until_complete(asyncio.wait(left, timeout=1.0))

    def _resume(self, life: Life) -> None:
        # A timer may go off by the width of the clock's resolution before its time.
        life.stands_still = life.held_until > self.time() + 0.001
        waiting, life.held = life.held, []
        for call in waiting:
            # Each knows its life, and waits on if that has ended meanwhile.
            super().call_soon(call, context=life.context())

    def _of_life(
        self, callback: Callable[..., Any], args: tuple[Any, ...], context: Context | None
    ) -> Callable[[], object]:
        life = _LIFE.get() if context is None else context.get(_LIFE)
        if life is None:
            return lambda: callback(*args)

        def run(in_context: Context | None = context) -> object:
            if life.is_over or life.stands_still:
                life.held.append(
                    run if in_context is None else lambda: _again(in_context, callback, args, life)
                )
                return None
            return callback(*args)

        return run


def _again(
    context: Context, callback: Callable[..., Any], args: tuple[Any, ...], life: Life
) -> object:
    if life.is_over:
        life.held.append(lambda: _again(context, callback, args, life))
        return None
    return context.run(callback, *args)


@contextmanager
def drawn_from(seed: str) -> Iterator[random.Random]:
    """Has all that is random in the product follow from a seed; gives the test's own chance."""
    before, chance = os.urandom, random.Random(f"{seed}/product")
    state = random.getstate()
    maker: ids.RandomHex = ids.random_hex.__self__  # type: ignore[attr-defined]
    os.urandom = chance.randbytes
    random.seed(f"{seed}/jitter")
    maker._forget()
    try:
        yield random.Random(f"{seed}/world")
    finally:
        os.urandom = before
        random.setstate(state)
        maker._forget()
