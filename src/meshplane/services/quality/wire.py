"""Puts the quality service together."""

from collections.abc import Sequence

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.consumer import Consumer
from meshplane.services.quality.local import LocalEvaluator
from meshplane.services.quality.ports import RulesetEvaluator
from meshplane.services.quality.rounds import Rounds
from meshplane.services.quality.routes import routes
from meshplane.services.quality.service import Quality

NEEDS = ("assets", "tables")


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    quality = Quality(needs["assets"], needs["tables"], _evaluator(ground, needs))
    rounds = Rounds(quality, needs["assets"], ground.boundary, ground.store)
    return Built(routes(quality, rounds, ground.boundary), None, aside=_shown(ground, needs))


def _evaluator(ground: Ground, needs: Needs) -> RulesetEvaluator:
    local = LocalEvaluator(needs["tables"])
    aws = ground.aws_for("quality")
    if aws is None:
        return local
    from meshplane.platform.aws.names import QUALITY_ROLE, role_arn
    from meshplane.services.quality.aws import GlueEvaluator

    role = role_arn(aws.place, QUALITY_ROLE)
    return GlueEvaluator(aws, needs["tables"], role, otherwise=local)


def _shown(ground: Ground, needs: Needs) -> Sequence[Consumer]:
    if ground.portal is None:
        return ()
    from meshplane.services.quality.aws_portal import DataZoneQuality
    from meshplane.services.quality.portal import QualityInPortal

    return QualityInPortal(DataZoneQuality(ground.portal), needs["assets"], ground.clock).consumers
