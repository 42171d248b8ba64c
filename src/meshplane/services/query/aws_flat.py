"""Names of a statement that is one SELECT over tables, resolved with one look at each.

Most statements are such: columns, sums, conditions, groups, an order by columns. What a column may
mean beside that (what is called so in the SELECT, a place in it, one of USING) is left to
sqlglot's `qualify_columns`, which this does the same as, in a seventh of the time.
"""

from collections.abc import Collection, Mapping

from sqlglot import exp

from meshplane.services.query.aws_survey import Survey

# With one of these a name may mean something else than a column.
_SEARCHED: frozenset[type[exp.Expr]] = frozenset(
    {
        exp.Except, exp.Having, exp.Intersect, exp.Qualify, exp.Subquery, exp.Union, exp.Values,
        exp.Window, exp.With,
    }
)  # fmt: skip


def is_flat(tree: exp.Expr, held: Survey) -> bool:
    """Whether a statement is one SELECT over tables, with no other query in it."""
    if held.by_kind.keys() & _NESTING or len(held.of(exp.Select)) != 1:
        return False
    return all(
        isinstance(one.parent, (exp.From, exp.Join)) and one.parent.parent is tree
        for one in held.of(exp.Table)
    )


_NESTING = _SEARCHED - {exp.Having, exp.Qualify, exp.Window}


def resolved(tree: exp.Expr, held: Survey, columns_of: Mapping[str, Collection[str]]) -> bool:
    """Whether all names are resolved now; otherwise nothing was changed.

    Args:
        tree: a flat statement, whose tables have aliases; its names are folded.
        held: what it holds.
        columns_of: the columns of its tables, by their aliases.
    """
    if not _is_plain(tree, held) or len(columns_of) != len(held.of(exp.Table)):
        return False
    called = {one.alias for one in held.of(exp.Alias)}
    shown = set(tree.named_selects) if isinstance(tree, exp.Select) else set()
    owners: list[tuple[exp.Column, str]] = []
    for column in held.of(exp.Column):
        name, table = column.name, column.table
        if _orders(tree, column):
            if not table and name in shown:
                continue  # what is shown under this name, whatever it is
            if tree.args.get("group") is not None:
                return False
        if not table and name in called:
            return False
        there = [table] if table else columns_of
        found = [one for one in there if name in columns_of.get(one, ())]
        if len(found) != 1:
            return False
        owners.append((column, found[0]))
    for column, owner in owners:
        column.set("table", exp.Identifier(this=owner, quoted=True))
    tree.set("expressions", [_named(one, at) for at, one in enumerate(tree.expressions)])
    return True


def _orders(tree: exp.Expr, column: exp.Column) -> bool:
    """Whether a column is one by which the rows are ordered, and not those of a list."""
    term = column.parent
    return isinstance(term, exp.Ordered) and term.parent is tree.args.get("order")


def _is_plain(tree: exp.Expr, held: Survey) -> bool:
    """Whether its names can mean columns alone, and its numbers no places."""
    group = tree.args.get("group")
    return (
        held.by_kind.keys().isdisjoint(_SEARCHED)
        and all(isinstance(one.parent, exp.Count) for one in held.of(exp.Star))
        and all(isinstance(one.this, exp.Column) for one in held.of(exp.Ordered))
        and not any(one.args.keys() & _SPECIAL for one in held.of(exp.Join))
        and not any(one.args.get("columns") for one in held.of(exp.TableAlias))
        and not any(one.args.get("db") for one in held.of(exp.Column))
        and (group is None or _is_of_columns(group))
    )


_SPECIAL = frozenset({"using", "method", "kind", "side"})


def _is_of_columns(group: exp.Expr) -> bool:
    return not group.args.get("all") and all(
        isinstance(one, exp.Column) for one in group.expressions
    )


def _named(one: exp.Expr, place: int) -> exp.Expr:
    """A column of the SELECT under the name that it has without one."""
    if isinstance(one, exp.Alias):
        return one
    name = one.output_name or f"_col_{place}"
    return exp.Alias(this=one, alias=exp.Identifier(this=name, quoted=True))
