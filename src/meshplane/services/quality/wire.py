"""Puts the quality service together."""

from collections.abc import Sequence

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.consumer import Consumer
from meshplane.services.quality.local import LocalEvaluator
from meshplane.services.quality.rounds import Rounds
from meshplane.services.quality.routes import routes
from meshplane.services.quality.running import LongRuns
from meshplane.services.quality.service import Quality

NEEDS = ("assets", "tables")


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    long = _long_runs(ground, needs)
    quality = Quality(needs["assets"], needs["tables"], long=long)
    rounds = Rounds(quality, needs["assets"], ground.boundary, ground.store)
    aside = (*_shown(ground, needs), *_measured(ground, needs))
    queues = () if long is None else long.queues
    return Built(routes(quality, rounds, ground.boundary), None, queues=queues, aside=aside)


def _long_runs(ground: Ground, needs: Needs) -> LongRuns | None:
    """What carries runs to their end on AWS; here they end within their request."""
    aws = ground.aws_for("quality")
    if aws is None:
        return None
    from meshplane.platform.aws.names import QUALITY_ROLE, role_arn
    from meshplane.services.quality.aws import GlueEvaluator

    role = role_arn(aws.place, QUALITY_ROLE)
    local = LocalEvaluator(needs["tables"])
    evaluator = GlueEvaluator(aws, needs["tables"], role, otherwise=local)
    return LongRuns(evaluator, ground.store, ground.clock)


def _shown(ground: Ground, needs: Needs) -> Sequence[Consumer]:
    if ground.portal is None:
        return ()
    from meshplane.services.quality.aws_portal import DataZoneQuality
    from meshplane.services.quality.portal import QualityInPortal

    return QualityInPortal(DataZoneQuality(ground.portal), needs["assets"], ground.clock).consumers


def _measured(ground: Ground, needs: Needs) -> Sequence[Consumer]:
    if ground.metrics is None:
        return ()
    from meshplane.services.quality.aws_figures import QualityFigures

    return QualityFigures(ground.metrics, needs["assets"], ground.clock).consumers
