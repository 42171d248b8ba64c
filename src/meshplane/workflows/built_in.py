"""The platform's own state machines, from `definitions/*.asl.json`.

The same files go to AWS. What differs from place to place (queues, topics) stands in them as
`${Name}` and is filled in here.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Any

from meshplane.boundary.actor import service_actor
from meshplane.kit.errors import Stale
from meshplane.platform.store import Store
from meshplane.workflows.engine import Workflows
from meshplane.workflows.queue_names import APPROVALS, SUBSCRIPTIONS, TASKS

QUEUES = {
    "TaskQueueUrl": TASKS,
    "ApprovalQueueUrl": APPROVALS,
    "SubscriptionQueueUrl": SUBSCRIPTIONS,
}
"""The queues that the definitions name, in this mesh."""

_TOPICS = ("Project", "Asset", "Subscription", "Promotion", "Share")
_ACCOUNT = "000000000000"
_SUFFIX = ".asl.json"
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z]+)\}")


def embedded_places() -> dict[str, str]:
    """What the placeholders stand for when this process does it all."""
    queues = {
        name: f"https://sqs.local.amazonaws.com/{_ACCOUNT}/{queue}"
        for name, queue in QUEUES.items()
    }
    topics = {
        f"{topic}TopicArn": f"arn:aws:sns:local:{_ACCOUNT}:{topic.lower()}-notifications"
        for topic in _TOPICS
    }
    return {**queues, **topics}


def filled(text: str, places: Mapping[str, str]) -> str:
    """A definition's text with its placeholders filled in.

    Raises:
        KeyError: it holds a placeholder that `places` does not name.
    """
    return _PLACEHOLDER.sub(lambda found: places[found[1]], text)


@cache
def definition_texts() -> dict[str, str]:
    """The text of each definition, by the machine's name, as the files hold it."""
    folder = files("meshplane.workflows") / "definitions"
    return {
        entry.name.removesuffix(_SUFFIX): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(_SUFFIX)
    }


def built_in_machines(places: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """The definitions by name, ready to run.

    Args:
        places: what the placeholders stand for; those of an embedded mesh by default.
    """
    known = places if places is not None else embedded_places()
    return {name: json.loads(filled(text, known)) for name, text in definition_texts().items()}


async def put_built_in_machines(engine: Workflows, store: Store) -> None:
    """Puts the platform's own machines; those that are there in the same words are left alone.

    They act in the name of whoever starts them: the mesh itself where a rule of its own does.
    """
    for name, definition in built_in_machines().items():
        work = store.begin()
        with suppress(Stale):  # another process of this home starts at the same moment
            await engine.put_machine(
                work, name, definition, created_by=service_actor("workflows").name
            )
            await work.commit()
