"""Puts the quality service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.quality.local import LocalEvaluator
from meshplane.services.quality.ports import RulesetEvaluator
from meshplane.services.quality.rounds import Rounds
from meshplane.services.quality.routes import routes
from meshplane.services.quality.service import Quality

NEEDS = ("assets", "tables")

_ROLE = "meshplane-quality"


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    quality = Quality(needs["assets"], needs["tables"], _evaluator(ground, needs))
    rounds = Rounds(quality, needs["assets"], ground.boundary, ground.store)
    return Built(routes(quality, rounds, ground.boundary), None)


def _evaluator(ground: Ground, needs: Needs) -> RulesetEvaluator:
    local = LocalEvaluator(needs["tables"])
    aws = ground.aws_for("quality")
    if aws is None:
        return local
    from meshplane.services.quality.aws import GlueEvaluator

    role = f"arn:aws:iam::{aws.place.account}:role/{aws.place.prefix}{_ROLE}"
    return GlueEvaluator(aws, needs["tables"], role, otherwise=local)
