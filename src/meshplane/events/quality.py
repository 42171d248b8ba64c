"""Events of the data quality service."""

from typing import ClassVar

from meshplane.events.payload import Payload


class DataQualityRunCompleted(Payload):
    """A ruleset was run on an asset. `score` is the share of rules that passed, 0 to 1."""

    source: ClassVar[str] = "management-app.data-quality"
    entity_field: ClassVar[str] = "asset_id"

    asset_id: str
    run_id: str
    score: float
    rules_passed: int
    rules_total: int
    completed_at: str


class DataQualityAlert(Payload):
    """A run found rules that do not hold."""

    source: ClassVar[str] = "management-app.data-quality"
    entity_field: ClassVar[str] = "asset_id"

    asset_id: str
    run_id: str
    score: float
    failed_rules: int
