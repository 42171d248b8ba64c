"""Which services there are: their ports, what they need, their tables. Imports none of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from meshplane.kit.errors import Invalid
from meshplane.platform.tables import Table


@dataclass(frozen=True, slots=True)
class Service:
    """A service: the name of its folder, and the port that it has when it runs alone."""

    name: str
    port: int

    def module(self, file: str) -> ModuleType:
        """One of the service's modules, such as `wire` or `api`."""
        return import_module(f"meshplane.services.{self.name}.{file}")

    @property
    def tables(self) -> tuple[Table, ...]:
        """The tables that it owns."""
        found: tuple[Table, ...] = self.module("store").TABLES
        return found


# In the order in which they are built: each needs only those before it.
SERVICES = (
    Service("domains", 8000),
    Service("permissions", 8004),
    Service("projects", 8001),
    Service("blueprints", 8008),
    Service("tables", 8011),
    Service("assets", 8002),
    Service("catalog", 8003),
    Service("quality", 8009),
    Service("lineage", 8010),
    Service("query", 8012),
    Service("subscriptions", 8005),
    Service("lake", 8006),
    Service("shares", 8007),
    Service("workflows", 8013),
    Service("events", 8014),
    Service("audit", 8015),
)


def chosen(names: Iterable[str]) -> tuple[Service, ...]:
    """The services of those names, in building order; all of them when no name is given.

    Raises:
        Invalid: SETTING_INVALID.
    """
    wanted = set(names)
    unknown = sorted(wanted - {service.name for service in SERVICES})
    if unknown:
        known = ", ".join(service.name for service in SERVICES)
        raise Invalid(
            "SETTING_INVALID",
            f"There is no service {unknown[0]}. There are: {known}.",
            field="only",
        )
    return tuple(service for service in SERVICES if not wanted or service.name in wanted)
