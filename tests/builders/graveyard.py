"""Owners of executions whose death a test decides."""


class Graveyard:
    """See `Owners`: whoever is buried here has died."""

    def __init__(self) -> None:
        self.living: set[str] = set()
        self.buried: set[str] = set()

    def enter(self, owner: str) -> None:
        """He lives."""
        self.living.add(owner)

    def leave(self, owner: str) -> None:
        """He ended well."""
        self.living.discard(owner)

    def bury(self, owner: str) -> None:
        """He has died."""
        self.living.discard(owner)
        self.buried.add(owner)

    def dead(self) -> frozenset[str]:
        """Those that have died and are not forgotten."""
        return frozenset(self.buried)

    def forget(self, owner: str) -> None:
        """What he owned was taken over."""
        self.buried.discard(owner)
