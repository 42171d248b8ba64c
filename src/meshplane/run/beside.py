"""What a process runs beside its services, where the settings say so: figures, and listening."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from meshplane.boundary.portal_parts import PortalParts
from meshplane.boundary.wiring import Ground
from meshplane.gateway.metrics import RequestMetrics
from meshplane.run.settings import Settings

if TYPE_CHECKING:  # they load boto3
    from meshplane.platform.aws.calls import Aws
    from meshplane.platform.aws.metrics import Metrics


class Part(Protocol):
    """Something that runs beside requests."""

    def start(self) -> None:
        """Begins."""
        ...

    async def stop(self) -> None:
        """Ends."""
        ...


def parts_beside(
    settings: Settings, ground: Ground, counted: RequestMetrics, shown: PortalParts
) -> list[Part]:
    """The parts, in the order in which they start; they end in the other one.

    Args:
        settings: of the process.
        ground: what its services stand on.
        counted: counts its requests.
        shown: what its services show in the portal.
    """
    found: list[Part] = []
    if ground.metrics is not None:
        found += _figures(settings, ground.metrics, counted)
    if ground.portal is not None and shown:
        found.append(_listening(settings, ground, ground.portal.aws, shown))
    return found


def _figures(settings: Settings, metrics: "Metrics", counted: RequestMetrics) -> Sequence[Part]:
    from meshplane.gateway.aws_figures import RequestFigures

    return metrics, RequestFigures(counted, metrics, settings.aws_metrics_seconds)


def _listening(settings: Settings, ground: Ground, aws: "Aws", shown: PortalParts) -> Part:
    from meshplane.events.aws import BusPlaces
    from meshplane.events.aws_listener import LISTENER, DataZoneListener
    from meshplane.run.aws_listening import Listening

    # Processes with some services each hear everything, and keep what is theirs.
    name = "-".join((LISTENER, *settings.only[:1]))
    places = BusPlaces(aws.place, "", "", "")
    listener = DataZoneListener(ground.store, aws, places, shown.heard, ground.clock, name=name)
    return Listening(listener)
