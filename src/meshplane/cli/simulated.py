"""Shows what a change would bring, and for whom; nothing is written."""

from typing import Any

from meshplane.cli import present
from meshplane.cli.session import Session


def show_simulated(session: Session, change: dict[str, Any]) -> None:
    """Tries one change out, and tells what it would change for each principal.

    Args:
        session: who asks.
        change: as the API takes it: a grant, a revoke, a tag or an approval.
    """
    answer = session.api.post("/permissions/simulate", {"changes": [change]}, key=session.key())
    lines = [
        present.escaped(f"{one['principal']} on {one['assetName']}: {' '.join(one['sentences'])}")
        for one in answer["changes"]
    ]
    if answer["truncated"]:
        lines.append("There is more than is told here.")
    session.show(
        answer,
        lambda: present.stacked(*(lines or ["It would change nothing for anybody."])),
    )
