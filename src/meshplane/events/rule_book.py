"""The book of rules: those of the store and those of the product, compiled, as they are now."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from meshplane.events.envelope import BUS
from meshplane.events.pattern_index import PatternIndex
from meshplane.events.patterns import compile_pattern
from meshplane.events.rules import EVENT_RULES, RULE_GENERATIONS, Rule, rule_of, with_state
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import Row

_PAGE = 1000
_UNREAD = -1


class RuleBook:
    """Keeps the rules of this process in step with the store.

    Args:
        store: holds the rules.
        built_in: those that come with the product.
    """

    def __init__(self, store: Store, built_in: Sequence[Rule] = ()) -> None:
        self._store = store
        self._built_in = {rule.name: rule for rule in built_in}
        self._generation = _UNREAD
        self._rules: dict[str, Rule] = {}
        self._indexed: dict[str, Mapping[str, Any]] = {}
        self._index: PatternIndex[str] = PatternIndex()

    @property
    def generation(self) -> int:
        """Another number after each change that was read."""
        return self._generation

    async def refresh(self) -> None:
        """Reads the rules again if one has changed."""
        row = await self._store.begin().get(RULE_GENERATIONS, BUS)
        generation = row.version if row else 0
        if generation == self._generation:
            return
        rules = {rule.name: rule for rule in merged(await self._rows(), self._built_in)}
        self._reindex(rules)
        self._rules, self._generation = rules, generation

    def matching(self, envelope: dict[str, Any]) -> list[Rule]:
        """The enabled rules whose patterns match, by name; as of the last `refresh`."""
        names = self._index.match(envelope)
        if not names:
            return []
        return [self._rules[name] for name in sorted(names)]

    def scheduled(self) -> list[Rule]:
        """The enabled rules with a schedule."""
        return [
            rule
            for rule in self._rules.values()
            if rule.enabled and rule.schedule_expression is not None
        ]

    def get(self, name: str) -> Rule | None:
        """The rule of that name, enabled or not."""
        return self._rules.get(name)

    def all(self) -> list[Rule]:
        """All rules by name."""
        return [self._rules[name] for name in sorted(self._rules)]

    def is_built_in(self, name: str) -> bool:
        """Whether a rule of that name comes with the product."""
        return name in self._built_in

    async def _rows(self) -> list[Row]:
        found: list[Row] = []
        cursor = None
        while True:
            page = await self._store.begin().query(EVENT_RULES, BUS, limit=_PAGE, cursor=cursor)
            found += page.rows
            cursor = page.cursor
            if cursor is None:
                return found

    def _reindex(self, rules: dict[str, Rule]) -> None:
        wanted = {
            rule.name: rule.event_pattern
            for rule in rules.values()
            if rule.enabled and rule.event_pattern is not None
        }
        for name in [name for name in self._indexed if name not in wanted]:
            self._index.remove(name)
            del self._indexed[name]
        for name, pattern in wanted.items():
            if self._indexed.get(name) == pattern:
                continue
            compiled = compile_pattern(pattern)
            if name in self._indexed:
                self._index.remove(name)
            self._index.add(name, compiled)
            self._indexed[name] = pattern


def merged(rows: Iterable[Row], built_in: dict[str, Rule]) -> list[Rule]:
    """The rules that rows of `EVENT_RULES` and the product hold together, by name."""
    rules = dict(built_in)
    for row in rows:
        if not row.item.get("builtIn"):
            rule = rule_of(row)
            rules.setdefault(rule.name, rule)
        elif row.item["name"] in built_in:
            rules[row.item["name"]] = with_state(built_in[row.item["name"]], row)
    return sorted(rules.values(), key=lambda rule: rule.name)


def change_rules(work: UnitOfWork) -> None:
    """Tells all processes that rules change, in the commit of `work`."""
    work.put(RULE_GENERATIONS, {"bus": BUS})
