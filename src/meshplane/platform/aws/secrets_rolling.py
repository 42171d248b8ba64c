"""A secret that is renewed: the newest value is used, and earlier ones are still known for a while.

It is one JSON document in Secrets Manager, newest value first. Whoever renews it replaces the
document that he read, so that no value is lost where two renew at once.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid, Unavailable
from meshplane.platform.aws.secrets import Secrets

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a rolling secret.

    Args:
        name: tells it from the others.
        text: the value.
        replaced_at: when a newer one came, in epoch seconds; None: it is the newest.
    """

    name: str
    text: str
    replaced_at: float | None = None

    def __repr__(self) -> str:
        return f"Value(name={self.name!r})"


class RollingSecret:
    """A named secret of several values.

    Args:
        secrets: where it is kept.
        name: of the secret.
        make: makes a value.
        clock: for when a value was replaced.
        kept_seconds: how long a value is known after it was replaced; None: for ever.
    """

    def __init__(
        self,
        secrets: Secrets,
        name: str,
        make: Callable[[], str],
        clock: Clock,
        kept_seconds: float | None,
    ) -> None:
        self.name = name
        self._secrets, self._make, self._clock = secrets, make, clock
        self._kept_seconds = kept_seconds

    async def load(self) -> tuple[Value, ...]:
        """The values that are known, newest first; made where there is none.

        Raises:
            Invalid: SECRET_DAMAGED, it is not what was put there.
            AwsRejected, AwsUnavailable: as `Aws.call`.
        """
        text = await self._secrets.get_or_make(self.name, lambda: _written(self._first()))
        return self._known(_read(text, self.name))

    async def roll(self) -> tuple[Value, ...]:
        """Makes a new value, and gives those that are then known.

        Raises:
            Invalid: as `load`.
            Unavailable: SECRET_CONTESTED, others keep renewing it.
        """
        for _ in range(_TRIES):
            found = await self._secrets.versioned(self.name)
            if found is None:
                return await self.load()
            text, version = found
            now = self._clock.now().timestamp()
            newest, *older = self._known(_read(text, self.name))
            values = (*self._first(), replace(newest, replaced_at=now), *older)
            if await self._secrets.replace(self.name, _written(values), instead_of=version):
                return values
        raise Unavailable(
            "SECRET_CONTESTED", f"Others keep renewing the secret {self.name}: try again."
        )

    def _first(self) -> tuple[Value, ...]:
        return (Value(secrets.token_hex(8), self._make()),)

    def _known(self, values: tuple[Value, ...]) -> tuple[Value, ...]:
        if self._kept_seconds is None:
            return values
        oldest = self._clock.now().timestamp() - self._kept_seconds
        return tuple(one for one in values if one.replaced_at is None or one.replaced_at > oldest)


def _written(values: tuple[Value, ...]) -> str:
    return json.dumps({"values": [asdict(one) for one in values]})


def _read(text: str, name: str) -> tuple[Value, ...]:
    damaged = Invalid(
        "SECRET_DAMAGED",
        f"The secret {name} in Secrets Manager is not what the mesh put there: make an earlier "
        "version of it the current one (AWSCURRENT).",
    )
    try:
        values = tuple(Value(**one) for one in json.loads(text)["values"])
    except (ValueError, TypeError, KeyError):
        raise damaged from None
    if not values or values[0].replaced_at is not None:
        raise damaged
    return values
