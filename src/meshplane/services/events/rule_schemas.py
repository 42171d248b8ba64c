"""Bodies of rules."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Line, PageQuery, Text
from meshplane.events.retry_policy import LEAST_AGE_SECONDS, MOST_AGE_SECONDS, MOST_ATTEMPTS
from meshplane.events.rules import MOST_TARGETS, Rule, Target
from meshplane.events.schedules import MOST_WINDOW_MINUTES
from meshplane.services.events.names import QueueName

TargetId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
RuleState = Literal["ENABLED", "DISABLED"]


class RetryPolicyBody(ApiModel):
    """When a target is given up; EventBridge's RetryPolicy."""

    maximum_retry_attempts: int = Field(default=MOST_ATTEMPTS, ge=0, le=MOST_ATTEMPTS)
    maximum_event_age_seconds: int = Field(
        default=MOST_AGE_SECONDS, ge=LEAST_AGE_SECONDS, le=MOST_AGE_SECONDS
    )


class TransformerBody(ApiModel):
    """EventBridge's InputTransformer."""

    input_paths_map: dict[str, str] | None = None
    input_template: str = Field(max_length=8192)


class TargetBody(ApiModel):
    """What a rule starts: `name` of a workflow, function or queue, or `url` of a webhook."""

    id: TargetId
    type: Literal["workflow", "function", "queue", "webhook"]
    name: Line | None = None
    url: str | None = Field(default=None, max_length=2048)
    input_path: str | None = Field(default=None, max_length=256)
    input: str | None = Field(default=None, max_length=8192)
    input_transformer: TransformerBody | None = None
    retry_policy: RetryPolicyBody = RetryPolicyBody()
    dead_letter_queue: QueueName = "dead-letters"


class RuleBody(ApiModel):
    """A rule: an event pattern or a schedule, and what it starts."""

    description: Text = ""
    event_pattern: dict[str, Any] | None = None
    schedule_expression: str | None = Field(default=None, max_length=256)
    timezone: str = Field(default="UTC", max_length=64)
    flexible_window_minutes: int = Field(default=0, ge=0, le=MOST_WINDOW_MINUTES)
    on_missed: Literal["once", "skip", "all"] = "once"
    state: RuleState = "ENABLED"
    targets: list[TargetBody] = Field(min_length=1, max_length=MOST_TARGETS)


class TargetView(TargetBody):
    """A target as it is. `secret` is shown once: in the answer to the write that made it."""

    secret: str | None = None


class RuleView(ApiModel):
    """A rule as it is."""

    name: str
    description: str
    event_pattern: dict[str, Any] | None
    schedule_expression: str | None
    timezone: str
    flexible_window_minutes: int
    on_missed: str
    state: RuleState
    targets: list[TargetView]
    built_in: bool
    created_by: str
    created_at: str
    version: int


class RuleQuery(PageQuery):
    """Which rules to list."""

    prefix: str | None = Field(default=None, max_length=64, description="Of their names.")


def target_of(body: TargetBody) -> Target:
    """The target that a body describes."""
    transformer = None
    if body.input_transformer is not None:
        transformer = body.input_transformer.model_dump(by_alias=True, exclude_none=True)
    return Target(
        id=body.id,
        type=body.type,
        name=body.name,
        url=body.url,
        input_path=body.input_path,
        input=body.input,
        input_transformer=transformer,
        maximum_attempts=body.retry_policy.maximum_retry_attempts + 1,
        maximum_age_seconds=body.retry_policy.maximum_event_age_seconds,
        dead_letter_queue=body.dead_letter_queue,
    )


def rule_view(rule: Rule, secrets: dict[str, str] | None = None) -> RuleView:
    """A rule as people see it; `secrets` by target, where they were made just now."""
    return RuleView(
        name=rule.name,
        description=rule.description,
        event_pattern=None if rule.event_pattern is None else dict(rule.event_pattern),
        schedule_expression=rule.schedule_expression,
        timezone=rule.timezone,
        flexible_window_minutes=rule.flexible_window_minutes,
        on_missed=rule.on_missed,
        state="ENABLED" if rule.enabled else "DISABLED",
        targets=[_target_view(target, (secrets or {}).get(target.id)) for target in rule.targets],
        built_in=rule.built_in,
        created_by=rule.created_by,
        created_at=rule.created_at,
        version=rule.version,
    )


def _target_view(target: Target, secret: str | None) -> TargetView:
    transformer = None
    if target.input_transformer is not None:
        transformer = TransformerBody.model_validate(dict(target.input_transformer))
    return TargetView(
        id=target.id,
        type=target.type,
        name=target.name,
        url=target.url,
        input_path=target.input_path,
        input=target.input,
        input_transformer=transformer,
        retry_policy=RetryPolicyBody(
            maximum_retry_attempts=target.maximum_attempts - 1,
            maximum_event_age_seconds=target.maximum_age_seconds,
        ),
        dead_letter_queue=target.dead_letter_queue,
        secret=secret,
    )
