"""DataZone, as its API reference and botocore's model describe it, in memory.

What flows where: `service` finds the domain and the user of a call and hands it to the part that
answers; each part keeps its items on shelves of `state`, which also knows tokens, events and how
far lists lag behind. Changes that AWS makes in its own time (a domain, a listing, an environment, a
lineage event) are done when they were looked at once, or when a second of the world's clock has
passed.

What no emulator shows: IAM's decisions, quotas, and how long AWS really takes. What is not
documented and is chosen here, strictly: a name looked for finds every name that holds it, a second
profile or membership of the same user is refused, and a request by somebody who is a member of the
publishing project too is approved at once.
"""

from meshplane.sandbox.datazone.service import DataZoneFake

__all__ = ["DataZoneFake"]
