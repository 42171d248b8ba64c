"""The secrets of a mesh in Secrets Manager: read at start, made where there are none, renewed.

A home that had secrets of its own hands them over, and keeps none. What lies in rows is sealed with
keys that are kept here, as a unit of work cannot call AWS.
"""

import asyncio
import base64
import secrets
from collections.abc import Mapping, Sequence
from logging import INFO
from pathlib import Path

from meshplane.gateway.issuer import KEY_FILE, IssuerKeys, SigningKeys, new_key_pem
from meshplane.gateway.rolling_keys import RollingKeys
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Conflict, Invalid
from meshplane.platform.aws.at_once import at_once
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.names import (
    ISSUER_KEYS_SECRET,
    MASK_KEY_SECRET,
    SEALING_KEYS_SECRET,
)
from meshplane.platform.aws.secrets import Secrets
from meshplane.platform.aws.secrets_rolling import RollingSecret, Value
from meshplane.platform.sealing import KEY_BYTES, KeySeal
from meshplane.platform.telemetry import log
from meshplane.run.home import MASK_KEY_BYTES, MASK_KEY_FILE, Home
from meshplane.run.known_secrets import KeptSecrets

# As long as a token may live, with the leeway between clocks.
_TOKENS_SECONDS = 24 * 3600 + 60.0


def issuer_secret(aws: Aws, clock: Clock, first: str | None = None) -> RollingSecret:
    """The signing keys of the mesh's own issuer; `first`: the key to begin with."""
    begun = iter([first] if first is not None else [])
    return RollingSecret(
        Secrets(aws),
        ISSUER_KEYS_SECRET,
        lambda: next(begun, None) or new_key_pem(),
        clock,
        kept_seconds=_TOKENS_SECONDS,
    )


def sealing_secret(aws: Aws, clock: Clock) -> RollingSecret:
    """The keys that secrets in rows are sealed with. Rows of any age may need any of them."""
    return RollingSecret(
        Secrets(aws),
        SEALING_KEYS_SECRET,
        lambda: base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
        clock,
        kept_seconds=None,
    )


def secrets_there(aws: Aws, home: Home, clock: Clock) -> KeptSecrets:
    """The secrets of a mesh; see `kept_secrets`."""
    issuing = issuer_secret(aws, clock, _text_of(home.keys / KEY_FILE))
    sealing = sealing_secret(aws, clock)

    async def read() -> tuple[bytes, tuple[Value, ...], tuple[Value, ...]]:
        return await asyncio.gather(_mask_key(aws, home), issuing.load(), sealing.load())

    mask_key, issuers, seals = at_once(read())
    _handed_over(home, mask_key, issuers)

    async def reload_seals() -> Mapping[str, bytes]:
        return _sealing_keys(await sealing.load())

    keys = _rolling(issuing, issuers, clock)
    return KeptSecrets(mask_key, lambda: keys, KeySeal(_sealing_keys(seals), reload_seals))


def issuer_keys_there(aws: Aws, clock: Clock) -> SigningKeys:
    """The signing keys as they are now."""
    issuing = issuer_secret(aws, clock)
    return _rolling(issuing, at_once(issuing.load()), clock)


async def roll(aws: Aws, clock: Clock) -> list[str]:
    """Renews what can be renewed; the names of these secrets.

    Tokens that were signed before hold until they end, and rows that were sealed before open. The
    key of hash masks stays: with another, every masked value would be another.

    Raises:
        Unavailable: SECRET_CONTESTED.
    """
    rolled = [issuer_secret(aws, clock), sealing_secret(aws, clock)]
    for one in rolled:
        await one.roll()
    return [one.name for one in rolled]


def _rolling(issuing: RollingSecret, values: Sequence[Value], clock: Clock) -> RollingKeys:
    async def reload() -> Sequence[str]:
        return [one.text for one in await issuing.load()]

    pems = [one.text for one in values]
    return RollingKeys(pems, reload, clock, where=f"The secret {issuing.name}")


def _sealing_keys(values: Sequence[Value]) -> dict[str, bytes]:
    keys = {one.name: base64.b64decode(one.text) for one in values}
    if any(len(key) != KEY_BYTES for key in keys.values()):
        raise _damaged(SEALING_KEYS_SECRET)
    return keys


async def _mask_key(aws: Aws, home: Home) -> bytes:
    own = home.mask_key() if (home.keys / MASK_KEY_FILE).exists() else None

    def made() -> str:
        return base64.b64encode(own or secrets.token_bytes(MASK_KEY_BYTES)).decode()

    try:
        key = base64.b64decode(await Secrets(aws).get_or_make(MASK_KEY_SECRET, made), validate=True)
    except ValueError:
        raise _damaged(MASK_KEY_SECRET) from None
    if len(key) != MASK_KEY_BYTES:
        raise _damaged(MASK_KEY_SECRET)
    return key


def _handed_over(home: Home, mask_key: bytes, issuers: Sequence[Value]) -> None:
    """Removes the home's own secrets, once Secrets Manager has them."""
    masks, signs = home.keys / MASK_KEY_FILE, home.keys / KEY_FILE
    if masks.exists() and home.mask_key() != mask_key:
        raise _differ(masks)
    if signs.exists():
        kids = {
            IssuerKeys.parse(one.text, f"The secret {ISSUER_KEYS_SECRET}").kid for one in issuers
        }
        if IssuerKeys.load_or_create(home.keys).kid not in kids:
            raise _differ(signs)
    for path in (masks, signs):
        if path.exists():
            path.unlink()
            log(INFO, "secret_handed_over", file=path.name)


def _text_of(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def _differ(path: Path) -> Conflict:
    return Conflict(
        "SECRETS_DIFFER",
        f"{path} is not what Secrets Manager holds. If this home is to join the mesh there, delete "
        "the file; if the mesh is to go on with this home's, delete the secret.",
    )


def _damaged(name: str) -> Invalid:
    return Invalid(
        "SECRET_DAMAGED",
        f"The secret {name} in Secrets Manager is not what the mesh put there: make an earlier "
        "version of it the current one (AWSCURRENT).",
    )
