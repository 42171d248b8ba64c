"""What the catalog needs of the outside: a place in the portal for glossaries, terms and forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class WordThere:
    """A glossary or a term as the portal has it.

    Args:
        portal_id: the portal's name for it.
        said: texts by field. Of both: `name`, `status` (`enabled`, `disabled`). Of a glossary:
            `description`. Of a term: `shortDescription`, `longDescription`, and `isA` and
            `classifies` as JSON lists of the portal's ids, sorted.
    """

    portal_id: str
    said: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FormTypeThere:
    """The latest revision of a form type as the portal has it; `model` is its Smithy text."""

    name: str
    revision: str
    model: str


class GlossaryPortal(Protocol):
    """Shows glossaries, terms and forms in the portal.

    Every method may raise `Unavailable`, and then it is called again.
    """

    async def ensure_glossary(self, said: Mapping[str, str]) -> WordThere:
        """The glossary of that name; made where there is none, and as it is where there is one."""
        ...

    async def look_glossary(self, portal_id: str) -> WordThere | None:
        """The glossary as it is there now; None if it is gone."""
        ...

    async def change_glossary(self, portal_id: str, said: Mapping[str, str]) -> WordThere:
        """Changes what is said of it."""
        ...

    async def ensure_term(self, glossary: str, said: Mapping[str, str]) -> WordThere:
        """The term of that name in a glossary; made where there is none."""
        ...

    async def look_term(self, portal_id: str) -> WordThere | None:
        """The term as it is there now; None if it is gone."""
        ...

    async def change_term(self, portal_id: str, said: Mapping[str, str]) -> WordThere:
        """Changes what is said of it."""
        ...

    async def remove_term(self, portal_id: str) -> bool:
        """Takes a term away; whether it is gone. What others have put on something is disabled."""
        ...

    async def look_form(self, name: str) -> FormTypeThere | None:
        """The form type of that name; None where there is none."""
        ...

    async def revise_form(self, name: str, model: str, description: str) -> FormTypeThere:
        """Makes a form type, or the next revision of it; it is for everybody to fill."""
        ...
