"""LF-tags: which there are, what carries them, and what an expression matches.

From the Developer Guide: *Lake Formation tag-based access control best practices and
considerations* (one value of a key on a resource; AND over keys, OR over a key's values),
*Assigning LF-Tags to Data Catalog resources* (a table inherits from its database and a column from
its table; what is assigned lower down overrides), *Lake Formation tag-based access control notes
and restrictions* (keys and values are kept in lower case; 1,000 tags, 1,000 values, 50 tags on a
resource).
"""

from collections.abc import Mapping

from meshplane.sandbox.lakeformation.atoms import Atom, Terms
from meshplane.sandbox.lakeformation.state import State

Tags = Mapping[str, str]


def database_tags(state: State, database: str) -> dict[str, str]:
    """The tags of a database."""
    return _live(state, state.assigned.get(Atom("database", state.account, database), {}))


def table_tags(state: State, database: str, table: str) -> dict[str, str]:
    """The tags of a table: its own, and those of its database that it does not override."""
    own = state.assigned.get(Atom("table", state.account, database, table), {})
    return {**database_tags(state, database), **_live(state, own)}


def column_tags(state: State, database: str, table: str, column: str) -> dict[str, str]:
    """The tags of a column: its own, and those of its table that it does not override."""
    own = state.assigned.get(Atom("column", state.account, database, table, name=column), {})
    return {**table_tags(state, database, table), **_live(state, own)}


def matches(terms: Terms, tags: Tags) -> bool:
    """Whether a resource with these tags is what an expression is about.

    Every key must be there with one of the values that the expression has for it; `*` is any.
    An expression without keys matches nothing.
    """
    return bool(terms) and all(
        key in tags and (tags[key] in values or "*" in values) for key, values in terms
    )


def policy_terms(state: State, policy: Atom) -> Terms:
    """The expression that a policy goes by; nothing if it is not valid any more.

    A policy that names a deleted tag is not: it matches nothing.
    """
    if policy.value:
        saved = state.expressions.get(policy.value)
        terms = saved.terms if saved is not None else ()
    else:
        terms = policy.terms
    return terms if all(key in state.tags for key, _ in terms) else ()


def _live(state: State, assigned: Tags) -> dict[str, str]:
    """A deleted tag is on nothing any more."""
    return {key: value for key, value in assigned.items() if key in state.tags}
