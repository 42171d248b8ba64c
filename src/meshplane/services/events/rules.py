"""Use cases of rules."""

from dataclasses import replace

from meshplane.boundary.call import Call
from meshplane.boundary.etags import stale
from meshplane.boundary.platform_api import PlatformApi
from meshplane.boundary.schemas import Page, position
from meshplane.events.envelope import BUS
from meshplane.events.functions import Functions
from meshplane.events.inputs import validate_input
from meshplane.events.outbound import Outbound
from meshplane.events.patterns import compile_pattern
from meshplane.events.rule_book import RuleBook, change_rules
from meshplane.events.rules import (
    EVENT_RULES,
    WEBHOOK_SECRETS,
    Rule,
    Target,
    built_in_state_item,
    rule_item,
)
from meshplane.events.schedules import parse_schedule
from meshplane.events.webhooks import new_secret, secret_about
from meshplane.kit.errors import Invalid, Missing, Refused
from meshplane.platform.sealing import NoSeal, Seal
from meshplane.platform.store import ABSENT, Store
from meshplane.policy.model import MESH
from meshplane.services.events.names import RESERVED_PREFIX, bus_name, queue_name
from meshplane.services.events.rule_schemas import (
    RuleBody,
    RuleQuery,
    RuleView,
    TargetBody,
    rule_view,
    target_of,
)


class Rules:
    """Writes and reads rules.

    Args:
        store: tells how far the outbox is.
        book: the rules.
        outbound: knows which hosts webhooks may have.
        functions: knows which functions there are.
        platform: knows which state machines there are.
        seal: closes the keys of webhooks.
    """

    def __init__(
        self,
        store: Store,
        book: RuleBook,
        outbound: Outbound,
        functions: Functions,
        platform: PlatformApi,
        *,
        seal: Seal | None = None,
    ) -> None:
        self._store = store
        self._seal = seal or NoSeal()
        self._book = book
        self._outbound = outbound
        self._functions = functions
        self._platform = platform

    async def put(self, call: Call, name: str, body: RuleBody) -> RuleView:
        """Creates a rule, or replaces it; it acts as whoever wrote it last.

        Raises:
            Refused: RULE_RESERVED, QUEUE_RESERVED, HOST_NOT_ALLOWED.
            Invalid: NAME_INVALID, RULE_INVALID, TARGET_INVALID, and what patterns, schedules and
                inputs raise.
        """
        await call.allow(MESH)
        self._check_name(name)
        self._check(body)
        await self._demand_machines(call, body)
        await self._book.refresh()
        old = self._book.get(name)
        enabled = body.state == "ENABLED"
        anew = old is None or (enabled and not old.enabled)
        rule = Rule(
            name=name,
            targets=tuple(target_of(target) for target in body.targets),
            description=body.description,
            event_pattern=body.event_pattern,
            schedule_expression=body.schedule_expression,
            timezone=body.timezone,
            flexible_window_minutes=body.flexible_window_minutes,
            on_missed=body.on_missed,
            enabled=enabled,
            created_by=call.actor.name,
            groups=tuple(sorted(call.actor.groups)),
            since=await self._store.last_event() if anew or old is None else old.since,
            enabled_at=call.now if anew or old is None else old.enabled_at,
            created_at=call.now if old is None else old.created_at,
            version=1 if old is None else old.version + 1,
        )
        secrets = await self._keep_secrets(call, rule, old)
        call.work.put(
            EVENT_RULES,
            rule_item(rule),
            expected=ABSENT if old is None else old.version,
            otherwise=stale(),
        )
        change_rules(call.work)
        call.note(state=body.state, targets=[target.type for target in body.targets])
        call.resource = f"Rule:{name}"
        return rule_view(rule, secrets)

    async def get(self, call: Call, name: str) -> RuleView:
        """A rule.

        Raises:
            Missing: RULE_NOT_FOUND.
        """
        await call.allow(MESH)
        return rule_view(await self._existing(name))

    async def list(self, call: Call, query: RuleQuery) -> Page[RuleView]:
        """All rules by name."""
        await call.allow(MESH)
        await self._book.refresh()
        rules = [rule for rule in self._book.all() if rule.name.startswith(query.prefix or "")]
        begin = position(query.cursor)
        end = begin + query.limit
        return Page[RuleView](
            items=[rule_view(rule) for rule in rules[begin:end]],
            next_cursor=str(end) if end < len(rules) else None,
        )

    async def delete(self, call: Call, name: str) -> None:
        """Removes a rule; what it has sent already is still delivered.

        Raises:
            Missing: RULE_NOT_FOUND.
            Refused: RULE_BUILT_IN.
        """
        await call.allow(MESH)
        rule = await self._existing(name)
        if rule.built_in:
            raise Refused("RULE_BUILT_IN", "This rule comes with the product: disable it instead.")
        call.work.delete(EVENT_RULES, BUS, name, expected=rule.version, otherwise=stale())
        for target in rule.targets:
            call.work.delete(WEBHOOK_SECRETS, name, target.id)
        change_rules(call.work)
        call.resource = f"Rule:{name}"

    async def set_state(self, call: Call, name: str, *, enabled: bool) -> RuleView:
        """Enables or disables a rule. What happens while it is disabled it never gets.

        Raises:
            Missing: RULE_NOT_FOUND.
        """
        await call.allow(MESH)
        call.resource = f"Rule:{name}"
        rule = await self._existing(name)
        if rule.enabled == enabled:
            return rule_view(rule)
        since = await self._store.last_event() if enabled else rule.since
        changed = replace(
            rule,
            enabled=enabled,
            since=since,
            enabled_at=call.now if enabled else rule.enabled_at,
            version=rule.version + 1,
        )
        item = rule_item(changed)
        if rule.built_in:
            item = built_in_state_item(rule, enabled=enabled, since=since, now=changed.enabled_at)
        call.work.put(EVENT_RULES, item, expected=rule.version, otherwise=stale())
        change_rules(call.work)
        return rule_view(changed)

    def _check_name(self, name: str) -> None:
        bus_name(name)
        if name.startswith(RESERVED_PREFIX) or self._book.is_built_in(name):
            raise Refused(
                "RULE_RESERVED",
                "Rules of this name come with the product. They can be disabled, not changed: "
                "write a rule of your own under another name.",
                field="name",
            )

    def _check(self, body: RuleBody) -> None:
        if (body.event_pattern is None) == (body.schedule_expression is None):
            raise Invalid(
                "RULE_INVALID",
                "A rule has an eventPattern or a scheduleExpression, one of them.",
                field="eventPattern",
            )
        if body.event_pattern is not None:
            compile_pattern(body.event_pattern)
        if body.schedule_expression is not None:
            parse_schedule(body.schedule_expression, body.timezone)
        if len({target.id for target in body.targets}) != len(body.targets):
            raise Invalid("RULE_INVALID", "Two targets have one id.", field="targets")
        for number, target in enumerate(body.targets):
            self._check_target(target, f"targets.{number}")

    def _check_target(self, target: TargetBody, field: str) -> None:
        wanted, other = ("url", "name") if target.type == "webhook" else ("name", "url")
        if getattr(target, wanted) is None or getattr(target, other) is not None:
            raise Invalid(
                "TARGET_INVALID",
                f"A target of type {target.type} has a {wanted} and no {other}.",
                field=f"{field}.{wanted}",
            )
        made = target_of(target)
        validate_input(
            input_path=made.input_path,
            input=made.input,
            transformer=made.input_transformer,
            field=field,
        )
        queue_name(target.dead_letter_queue, f"{field}.deadLetterQueue")
        if target.type == "webhook":
            self._outbound.check(str(target.url), field=f"{field}.url")
        elif target.type == "queue":
            queue_name(str(target.name), f"{field}.name")
        elif target.type == "function" and target.name not in self._functions.names:
            known = ", ".join(sorted(self._functions.names)) or "none"
            raise Invalid(
                "TARGET_INVALID",
                f"The platform has no function of this name. There are: {known}.",
                field=f"{field}.name",
            )

    async def _demand_machines(self, call: Call, body: RuleBody) -> None:
        """A start of a machine that is not there would fail only when the rule matches."""
        for number, target in enumerate(body.targets):
            if target.type != "workflow":
                continue
            try:
                await self._platform.call(
                    "getStateMachine", {"name": target.name}, actor=call.actor, key=""
                )
            except Missing:
                raise Invalid(
                    "TARGET_INVALID",
                    "There is no state machine of this name: put it first, then the rule.",
                    field=f"targets.{number}.name",
                ) from None

    async def _keep_secrets(self, call: Call, rule: Rule, old: Rule | None) -> dict[str, str]:
        """Makes a key for each webhook that has none, and drops those of webhooks that are gone."""
        made = {}
        for target in _webhooks(rule):
            if await call.work.get(WEBHOOK_SECRETS, rule.name, target.id) is None:
                made[target.id] = new_secret()
                item = {"rule": rule.name, "target": target.id}
                sealed = self._seal.close(made[target.id], secret_about(item))
                call.work.put(WEBHOOK_SECRETS, {**item, "secret": sealed})
        kept = {target.id for target in _webhooks(rule)}
        for target in _webhooks(old) if old else ():
            if target.id not in kept:
                call.work.delete(WEBHOOK_SECRETS, rule.name, target.id)
        return made

    async def _existing(self, name: str) -> Rule:
        await self._book.refresh()
        rule = self._book.get(bus_name(name))
        if rule is None:
            raise Missing("RULE_NOT_FOUND", "There is no such rule.")
        return rule


def _webhooks(rule: Rule) -> list[Target]:
    return [target for target in rule.targets if target.type == "webhook"]
