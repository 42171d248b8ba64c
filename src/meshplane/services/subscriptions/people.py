"""Who counts as the same person, where a decision must be somebody else's."""

import unicodedata
from collections.abc import Iterable

from meshplane.boundary.actor import Actor


def same_person(first: str, second: str) -> bool:
    """Whether two names of actors are one person's, as far as names can tell.

    Issuers differ in how they write a subject: letter case and compatibility forms are no
    difference between people.
    """
    return _plain(first) == _plain(second)


def is_among(actor: Actor, names: Iterable[str]) -> bool:
    """Whether the actor, or the person in whose name a service acts, is one of these."""
    own = [actor.name] if actor.on_behalf_of is None else [actor.name, actor.on_behalf_of]
    return any(same_person(name, other) for other in names for name in own)


def _plain(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).casefold().strip()
    return text.removeprefix("user:")
