"""Bodies of the quality service."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from meshplane.boundary.schemas import ApiModel, Id, Line, PageQuery

RulesetText = Annotated[str, StringConstraints(min_length=1, max_length=64 * 1024)]


class NewRuleset(ApiModel):
    """A ruleset in DQDL: `Rules = [ IsComplete "carrier" ]`."""

    ruleset: RulesetText


class RulesetView(ApiModel):
    """The ruleset of an asset; `rules` is how many it has."""

    asset_id: str
    ruleset: str
    rules: int
    version: int


class NewRun(ApiModel):
    """Which asset to check against its ruleset."""

    asset_id: Id


class RunQuery(PageQuery):
    """Whose runs to list."""

    asset_id: Id


class RuleView(ApiModel):
    """One rule and what became of it."""

    rule: str
    outcome: str
    metrics: dict[str, float]
    message: str


class RunView(ApiModel):
    """A run. `score` is the share of rules that passed, 0 to 1; null until the run has completed.

    `statusReason` says why a run failed: then nothing is known of the rules.
    """

    run_id: str
    asset_id: str
    status: Literal["running", "completed", "failed", "cancelled"]
    status_reason: str | None
    score: float | None
    rules_passed: int
    rules_total: int
    rules: list[RuleView]
    snapshot_id: str | None
    started_at: str
    seconds: float


class NewRound(ApiModel):
    """A round over all published assets: who started it, and when."""

    triggered_by: Line | None = None
    timestamp: Line | None = None


class RoundView(ApiModel):
    """What a round came to: runs made, those in which a rule failed, and those that broke off.

    `running` of the runs go on.
    """

    runs: int
    running: int
    failed: int
    broken: int
    seconds: float
