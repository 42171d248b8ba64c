"""The id of a grant that a person makes: the same principal and resource give the same id.

So two people who grant on one resource at once change one row, and no second grant of the same
comes to be. Grants of subscriptions have ids of their own.
"""

import hashlib

from meshplane.services.permissions.model import Target


def grant_id_of(principal: str, target: Target) -> str:
    """The id of the grant that a principal has on a target, by hand."""
    digest = hashlib.sha256(f"{principal}\n{target.key}".encode()).hexdigest()
    return f"grant-{digest[:32]}"
