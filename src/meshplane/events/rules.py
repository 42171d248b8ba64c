"""Rules: which events, or which times, start what.

A rule has an event pattern or a schedule, and up to five targets. Rules that come with the product
are given as data; people may disable them, not change them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from meshplane.events.envelope import BUS
from meshplane.events.queues import DEFAULT_DEAD_LETTER_QUEUE
from meshplane.events.retry_policy import MOST_AGE_SECONDS, MOST_ATTEMPTS
from meshplane.events.schedules import MissedPolicy
from meshplane.platform.tables import Row, Table

EVENT_RULES = Table("EventRules", "bus", "name")
RULE_GENERATIONS = Table("RuleGenerations", "bus")
"""One row, whose version grows with each change of a rule: how processes learn of changes."""

WEBHOOK_SECRETS = Table("WebhookSecrets", "rule", "target")
"""The keys that webhooks are signed with; nothing shows them again."""

MOST_TARGETS = 5

WORKFLOW_STARTS = "workflow-starts"
FUNCTIONS = "functions"
WEBHOOKS = "webhooks"
RESERVED_QUEUES = frozenset(
    {
        *(WORKFLOW_STARTS, FUNCTIONS, WEBHOOKS, "consumers"),
        *("meshplane-tasks", "approval-queue", "approval-deadlines", "subscription-decisions"),
        *("lake-reconciliations", "execution-commands", "task-answers", "rule-messages"),
        *("portal-reconciliations", "projection-reconciliations"),
        *("deployments", "quality-runs", "table-crawls", "term-removals"),
    }
)
"""Queues that parts of the mesh work off: people neither send to them nor receive from them."""

TargetType = Literal["workflow", "function", "queue", "webhook"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a rule starts.

    Args:
        id: unique in its rule.
        type: a state machine, a function of the platform, a queue, or an HTTP address.
        name: of the state machine, function or queue.
        url: of the webhook.
        input_path, input, input_transformer: what it gets; the whole envelope without them.
        maximum_attempts: after how many attempts, the first included, it is given up.
        maximum_age_seconds: how long after it was sent it is given up, if that comes first.
        dead_letter_queue: where it goes then.
    """

    id: str
    type: TargetType
    name: str | None = None
    url: str | None = None
    input_path: str | None = None
    input: str | None = None
    input_transformer: Mapping[str, Any] | None = None
    maximum_attempts: int = MOST_ATTEMPTS + 1
    maximum_age_seconds: int = MOST_AGE_SECONDS
    dead_letter_queue: str = DEFAULT_DEAD_LETTER_QUEUE


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule.

    Args:
        name: unique on the bus.
        targets: what it starts.
        description: for people.
        event_pattern: the events that it wants; None for a schedule.
        schedule_expression: when it fires; None for a pattern.
        timezone: of the schedule's clock.
        flexible_window_minutes: the firing comes within so long after its time; 0 for on time.
        on_missed: what happens for firings that fell into a time when nothing ran.
        enabled: whether it does anything.
        created_by: whom its targets act as, such as `user:ada@aviation`; empty for the mesh itself.
        groups: of that user when the rule was last written.
        since: the place in the outbox after which it takes events.
        enabled_at: when it was created, changed in its time, or last enabled, as RFC 3339 text.
        created_at: RFC 3339 text.
        version: of its row; 0 for a built-in rule that was never disabled.
        built_in: whether it comes with the product.
    """

    name: str
    targets: tuple[Target, ...]
    description: str = ""
    event_pattern: Mapping[str, Any] | None = None
    schedule_expression: str | None = None
    timezone: str = "UTC"
    flexible_window_minutes: int = 0
    on_missed: MissedPolicy = "once"
    enabled: bool = True
    created_by: str = ""
    groups: tuple[str, ...] = ()
    since: int = 0
    enabled_at: str = ""
    created_at: str = ""
    version: int = 0
    built_in: bool = False


def rule_item(rule: Rule) -> dict[str, Any]:
    """A rule as a row of `EVENT_RULES`."""
    item = asdict(rule)
    del item["version"], item["built_in"]
    return {"bus": BUS, **item}


def rule_of(row: Row) -> Rule:
    """The rule that a row of `EVENT_RULES` holds."""
    fields = {key: value for key, value in row.item.items() if key != "bus"}
    return Rule(
        **{
            **fields,
            "targets": tuple(Target(**target) for target in fields["targets"]),
            "groups": tuple(fields["groups"]),
            "version": row.version,
        }
    )


def built_in_state_item(rule: Rule, *, enabled: bool, since: int, now: str) -> dict[str, Any]:
    """The row that says whether a built-in rule is enabled; all else comes with the product."""
    return {
        "bus": BUS,
        "name": rule.name,
        "builtIn": True,
        "enabled": enabled,
        "since": since,
        "enabledAt": now,
    }


def with_state(rule: Rule, row: Row) -> Rule:
    """A built-in rule as its row says."""
    return replace(
        rule,
        enabled=row.item["enabled"],
        since=row.item["since"],
        enabled_at=row.item["enabledAt"],
        version=row.version,
    )
