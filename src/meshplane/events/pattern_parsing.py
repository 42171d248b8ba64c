"""From the JSON of a pattern to its clauses; refuses what EventBridge refuses, in its words.

The grammar is that of https://github.com/aws/event-ruler, which EventBridge runs: of two fields
with the same path the last one counts, an IP address matches however it is written, and each
combination of the branches of `$or` becomes a clause.
"""

from collections.abc import Callable, Sequence
from typing import Any

from meshplane.events.pattern_clause import Clause, Field
from meshplane.events.pattern_json import Members, NumberText
from meshplane.events.pattern_operators import Conditions, add_expression
from meshplane.events.pattern_refusals import bad_pattern
from meshplane.events.pattern_tokens import FALSE, NULL, TRUE, address, token_of_number
from meshplane.events.pattern_wildcard import check_complexity

MOST_COMBINATIONS = 1000

# None of these may name a field inside `$or`.
_RESERVED = {
    "exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard",
    "numeric", "cidr", "=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case",
    "date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range",
    "ip-address-in-range", "ip-address-not-in-range",
}  # fmt: skip

_Rules = list[dict[str, Field]]


def clauses_of(found: Any) -> list[Clause]:
    """The clauses of a pattern, any of which makes an event match.

    Args:
        found: what `read_pattern` gave.

    Raises:
        InvalidEventPattern: it is no pattern, or more than may be asked of one.
    """
    if not isinstance(found, Members):
        raise bad_pattern("Filter is not an object")
    wildcards: dict[Field, list[str]] = {}

    def field_of(path: str, values: list[Any]) -> Field:
        conditions = _conditions(values)
        field = Field(
            path,
            frozenset(conditions.exact),
            conditions.addresses,
            conditions.matchers(),
            conditions.absent,
        )
        if conditions.wildcards:
            wildcards[field] = conditions.wildcards
        return field

    rules = _object(found, "", [{}], field_of, inside_or=False)
    clauses = [tuple(rule[path] for path in sorted(rule)) for rule in rules]
    if wildcards:
        _check_wildcards(clauses, wildcards)
    return clauses


def _object(
    members: Members,
    prefix: str,
    rules: _Rules,
    field_of: Callable[[str, list[Any]], Field],
    *,
    inside_or: bool,
) -> _Rules:
    """Adds the fields of an object to each of the rules."""
    for name, value in members.pairs:
        path = prefix + name
        if name == "$or":
            rules = _either(value, prefix, rules, field_of)
        elif inside_or and name in _RESERVED:
            raise bad_pattern(
                f"{name} is Ruler reserved fieldName which cannot be used inside $or."
            )
        elif isinstance(value, Members):
            rules = _object(value, f"{path}.", rules, field_of, inside_or=inside_or)
        elif isinstance(value, list):
            field = field_of(path, value)
            for rule in rules:
                rule[path] = field
        else:
            raise bad_pattern(f'"{name}" must be an object or an array')
    if not members.pairs:
        raise bad_pattern("Empty objects are not allowed")
    return rules


def _either(
    branches: Any, prefix: str, rules: _Rules, field_of: Callable[[str, list[Any]], Field]
) -> _Rules:
    """The rules once for each branch of `$or`."""
    if not isinstance(branches, list):
        raise bad_pattern("It must be an Array followed with $or.")
    combined: _Rules = []
    for branch in branches:
        if not isinstance(branch, Members):
            raise bad_pattern("Only JSON object is allowed in array of $or relationship.")
        copies = [dict(rule) for rule in rules]
        combined += _object(branch, prefix, copies, field_of, inside_or=True)
        if len(combined) > MOST_COMBINATIONS:
            raise bad_pattern(
                f"The branches of $or make more than the {MOST_COMBINATIONS} combinations "
                "that may be"
            )
    if len(branches) < 2:
        raise bad_pattern("There must have at least 2 Objects in $or relationship.")
    return combined


def _conditions(values: Sequence[Any]) -> Conditions:
    conditions = Conditions()
    for value in values:
        if isinstance(value, Members):
            add_expression(conditions, value)
        elif isinstance(value, list):
            raise bad_pattern("Match value must be String, number, true, false, or null")
        elif isinstance(value, str):
            found = address(value)
            conditions.addresses |= found is not None
            conditions.exact.add(value if found is None else found)
        elif isinstance(value, NumberText):
            conditions.exact.add(token_of_number(value.text))
        else:
            conditions.exact.add(NULL if value is None else TRUE if value else FALSE)
    if not values:
        raise bad_pattern("Empty arrays are not allowed")
    return conditions


def _check_wildcards(clauses: list[Clause], wildcards: dict[Field, list[str]]) -> None:
    """Examines together the wildcards that EventBridge would run side by side.

    These are those of one path in clauses that agree in all the fields before it.
    """
    beginnings: dict[tuple[int, Field], int] = {}
    together: dict[tuple[int, str], dict[Field, list[str]]] = {}
    for clause in clauses:
        beginning = 0
        for field in clause:
            if field in wildcards:
                together.setdefault((beginning, field.path), {})[field] = wildcards[field]
            beginning = beginnings.setdefault((beginning, field), len(beginnings) + 1)
    examined: set[frozenset[Field]] = set()
    for texts in together.values():
        fields = frozenset(texts)
        if fields not in examined:
            examined.add(fields)
            check_complexity(text for several in texts.values() for text in several)
