"""Names of rules, queues and archives in paths and bodies."""

import re
from typing import Annotated

from pydantic import StringConstraints

from meshplane.events.rules import RESERVED_QUEUES
from meshplane.kit.errors import Invalid, Refused

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_QUEUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}", re.ASCII)
RESERVED_PREFIX = "meshplane."

QueueName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$")]
"""A queue: letters, digits, dashes and underscores, at most 80."""


def bus_name(text: str, field: str = "name") -> str:
    """The name of a rule or an archive, from a path.

    Raises:
        Invalid: NAME_INVALID.
    """
    if not _NAME.fullmatch(text):
        raise Invalid(
            "NAME_INVALID",
            "A name has 1 to 64 letters, digits, dots, dashes and underscores, and begins with a "
            "letter or a digit.",
            field=field,
        )
    return text


def queue_name(text: str, field: str = "queue") -> str:
    """The name of a queue that people may use.

    Raises:
        Invalid: QUEUE_INVALID.
        Refused: QUEUE_RESERVED.
    """
    if not _QUEUE.fullmatch(text):
        raise Invalid(
            "QUEUE_INVALID",
            "The name of a queue has 1 to 80 letters, digits, dashes and underscores.",
            field=field,
        )
    if text in RESERVED_QUEUES:
        raise Refused(
            "QUEUE_RESERVED",
            "The mesh itself works off this queue: choose another name.",
            field=field,
        )
    return text
