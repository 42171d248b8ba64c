"""Statements that would become endless when names are resolved are refused beforehand.

A statement of a few thousand characters can stand for one of gigabytes: names are put in the place
of names, stars in the place of columns. Each is counted before it is done.
"""

from collections.abc import Iterable, Mapping

from sqlglot import exp

from meshplane.services.query.aws_survey import Survey
from meshplane.services.query.sandbox.faults import limit

_MOST_GROWN = 10_000  # nodes that are put in the place of names
_MOST_STARRED = 20_000  # columns; Athena takes no text that names as many
_COLUMN_NODES = 3  # with its name and its table's
_CLAUSES = ("where", "group", "having", "qualify", "order")


def check_growth(held: Survey) -> None:
    """Refuses a statement whose columns stand for one another so often that it would be endless.

    Where a column is named by what another is called further left in its SELECT, what that is made
    of goes in its place: `a + a AS b, b + b AS c, …` doubles with each. So it does where GROUP BY
    names a column by its place, again and again. And a column of USING stands for that of each
    table that it joins.

    Raises:
        LimitReached: SQL_LIMIT.
    """
    nodes = held.nodes
    called = {node.alias.lower() for node in held.of(exp.Alias)}
    growing = [*held.of(exp.Group), *held.of(exp.Join), *held.of(exp.Column)]
    if not any(_may_grow(node, called) for node in growing):
        return
    sizes = dict.fromkeys(map(id, nodes), 1)
    for node in reversed(nodes):  # children stand after their parents
        if node.parent is not None and id(node.parent) in sizes:
            sizes[id(node.parent)] += sizes[id(node)]
    if sum(_grown(one, sizes) for one in held.of(exp.Select)) > _MOST_GROWN:
        raise limit(
            "Columns of a SELECT that are made of one another, or that many tables are joined "
            "by, make the statement too long for Athena: make them step by step, in a WITH or a "
            "subquery."
        )


def check_stars(held: Survey, widths: Mapping[int, int]) -> None:
    """Refuses a statement whose stars stand for more columns than can be said.

    Args:
        held: what the statement holds.
        widths: how many columns its tables have, by the `id` of their nodes.

    Raises:
        LimitReached: SQL_LIMIT.
    """
    if not held.of(exp.Star):
        return
    selects = held.of(exp.Select)
    starred = [(select, one) for select in selects for one in select.expressions if one.is_star]
    if not starred:
        return
    # What is made in the statement has no more columns than there are names for them.
    made = sum(len(select.expressions) for select in selects)
    most = sum(widths.values()) + made
    columns = 0
    for select, one in starred:
        sources = [widths.get(id(source), most) for source in _sources(select)]
        columns += max(sources, default=0) if isinstance(one, exp.Column) else sum(sources)
    if columns > _MOST_STARRED:
        raise limit(
            f"The stars of the statement stand for more than {_MOST_STARRED:,} columns: name "
            "those that are needed."
        )


def _sources(select: exp.Select) -> Iterable[exp.Expr]:
    begin = select.args.get("from_")
    parts = [*([begin] if begin is not None else []), *(select.args.get("joins") or [])]
    return [part.this for part in parts]


def _may_grow(node: exp.Expr, called: set[str]) -> bool:
    if isinstance(node, exp.Group):
        return any(map(_is_place, node.expressions))
    if isinstance(node, exp.Join):
        return bool(node.args.get("using"))
    return _is_bare(node) and node.name.lower() in called


def _grown(select: exp.Select, sizes: Mapping[int, int]) -> int:
    """How many nodes more a SELECT has when what its columns are called is put in their place."""
    known: dict[str, int] = {}
    joined, grown = _joined(select)
    places = []
    for one in select.expressions:
        more = _put_in(one, known, joined)
        if isinstance(one, exp.Alias):
            known[one.alias.lower()] = sizes[id(one)] + more
        places.append(sizes[id(one)] + more)
        grown += more
    for name in _CLAUSES:
        clause = select.args.get(name)
        grown += _put_in(clause, known, joined) if clause is not None else 0
    for join in select.args.get("joins") or [] if joined else []:
        grown += _put_in(join, {}, joined)
    return grown + _repeated(select, places)


def _joined(select: exp.Select) -> tuple[dict[str, int], int]:
    """How many nodes each column of USING stands for, and how many the joins themselves get."""
    joined: dict[str, int] = {}
    grown = 0
    for before, join in enumerate(select.args.get("joins") or [], start=1):
        names = [one.name.lower() for one in join.args.get("using") or []]
        for name in names:
            joined[name] = joined.get(name, 2 * _COLUMN_NODES) + _COLUMN_NODES
        # One name alone is compared with that of one table.
        grown += _COLUMN_NODES * before * len(names) if len(names) > 1 else 0
    return joined, grown


def _repeated(select: exp.Select, places: list[int]) -> int:
    """What GROUP BY repeats of the columns that it names by their places, once of each aside."""
    group = select.args.get("group")
    named = [int(one.name) for one in group.expressions if _is_place(one)] if group else []
    if len(named) == len(set(named)):
        return 0
    largest = max(places, default=0)
    # After a star a place may be any column's.
    is_plain = not any(one.is_star for one in select.expressions)
    size_of = dict(enumerate(places, start=1)) if is_plain else {}
    return sum(size_of.get(one, largest) for one in named) - sum(
        size_of.get(one, largest) for one in set(named)
    )


def _put_in(part: exp.Expr, known: Mapping[str, int], joined: Mapping[str, int]) -> int:
    """What is put in the place of names: of a SELECT's own, of those of USING in subqueries too."""
    own = part.walk(prune=lambda node: isinstance(node, exp.Query)) if known else ()
    every = part.walk() if joined else ()
    return sum(known.get(node.name.lower(), 0) for node in own if _is_bare(node)) + sum(
        joined.get(node.name.lower(), 0) for node in every if _is_bare(node)
    )


def _is_place(node: exp.Expr) -> bool:
    return isinstance(node, exp.Literal) and bool(node.is_int)


def _is_bare(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) and not node.table
