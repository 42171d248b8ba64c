"""A table whose lists lag behind its writes, as those of AWS's services do."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Delayed(Generic[K, V]):
    """Keeps values by key; `seen` gives them as they were a while ago.

    Values must not be changed in place: put another one.

    Args:
        now: the present instant.
        lag_seconds: how long a change stays unseen.
    """

    def __init__(self, now: Callable[[], datetime], lag_seconds: Callable[[], float]) -> None:
        self._now, self._lag_seconds = now, lag_seconds
        self._values: dict[K, V] = {}
        self._changes: list[tuple[datetime, K, V | None]] = []

    def get(self, key: K) -> V | None:
        """What is there now."""
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Sets a value."""
        self._note(key)
        self._values[key] = value

    def drop(self, key: K) -> V | None:
        """Takes a value away, and gives it."""
        self._note(key)
        return self._values.pop(key, None)

    def items(self) -> Iterator[tuple[K, V]]:
        """What is there now, all of it."""
        return iter(list(self._values.items()))

    def values(self) -> Iterator[V]:
        """What is there now, without the keys."""
        return iter(list(self._values.values()))

    def seen(self) -> Mapping[K, V]:
        """What a list shows: everything as it was before the changes that are too young."""
        self._forget()
        if not self._changes:
            return self._values
        shown = dict(self._values)
        for _, key, before in reversed(self._changes):
            if before is None:
                shown.pop(key, None)
            else:
                shown[key] = before
        return shown

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def _note(self, key: K) -> None:
        if self._lag_seconds() > 0:
            self._changes.append((self._now(), key, self._values.get(key)))

    def _forget(self) -> None:
        """Changes that are old enough to be seen need no undoing any more."""
        seen_until = self._now() - timedelta(seconds=self._lag_seconds())
        young = 0
        while young < len(self._changes) and self._changes[young][0] <= seen_until:
            young += 1
        del self._changes[:young]
