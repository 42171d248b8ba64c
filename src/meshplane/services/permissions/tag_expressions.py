"""Tags on databases, tables and columns, and expressions over them.

The semantics are Lake Formation's:

- A resource has at most one value of a key (Developer Guide, "Lake Formation tag-based access
  control best practices and considerations").
- A table inherits the tags of its database, and a column those of its table; a value that is
  assigned lower down takes the place of the inherited one, for that key alone (Developer Guide,
  "Assigning LF-Tags to Data Catalog resources").
- An expression matches if the resource has, for each of its keys, one of the values that it lists:
  AND across keys, OR across values ("best practices and considerations", as above). Whoever wants
  OR across keys makes two grants.

Ours on top: the key `classification` has a value without being assigned, from the asset itself.
"""

from collections.abc import Iterable, Mapping, Sequence

from meshplane.kit.errors import Invalid
from meshplane.services.permissions.model import AssetTags, GovernedAsset

CLASSIFICATION = "classification"
"""The key whose value every table and column has of itself."""

MOST_KEYS = 50
MOST_VALUES = 50

Expression = Sequence[tuple[str, Sequence[str]]]


def matches(expression: Expression, tags: Mapping[str, str]) -> bool:
    """Whether tags satisfy an expression; an empty expression is satisfied by nothing."""
    if not expression:
        return False
    return all(tags.get(key) in values for key, values in expression)


def first_mismatch(expression: Expression, tags: Mapping[str, str]) -> str | None:
    """The first key of the expression, in its order, that tags do not satisfy; None if all are."""
    return next((key for key, values in expression if tags.get(key) not in values), None)


def database_tags(tags: AssetTags) -> dict[str, str]:
    """The tags of a table's database."""
    return dict(tags.database)


def table_tags(asset: GovernedAsset, tags: AssetTags) -> dict[str, str]:
    """The tags of a table: its database's, its own classification, and those assigned to it.

    The asset's own classification goes before one that the database has, as it is the table's; one
    that was assigned to the table goes before both.
    """
    own = {CLASSIFICATION: asset.classification} if asset.classification else {}
    return {**tags.database, **own, **tags.table}


def column_tags(asset: GovernedAsset, tags: AssetTags) -> dict[str, dict[str, str]]:
    """The tags of each column by its name: the table's, its own classification, and its own tags.

    A column whose classification is that of its asset has none of its own: it takes the table's,
    so that a table which a steward classifies anew takes its columns along.
    """
    inherited = table_tags(asset, tags)
    found = {}
    for column in asset.columns:
        own = tags.columns.get(column.name)
        if column.classification and column.classification != asset.classification:
            own = {CLASSIFICATION: column.classification, **(own or {})}
        # Most have none of their own: they share one mapping, and what is worked out for it.
        found[column.name] = {**inherited, **own} if own else inherited
    return found


def values_anywhere(asset: GovernedAsset, tags: AssetTags) -> dict[str, set[str]]:
    """The values that each key has on a table, its database, or any column of it."""
    found: dict[str, set[str]] = {}
    columns = {id(one): one for one in column_tags(asset, tags).values()}.values()
    for place in (tags.database, table_tags(asset, tags), *columns):
        for key, value in place.items():
            found.setdefault(key, set()).add(value)
    return found


def as_text(expression: Expression) -> str:
    """An expression as people read it: `classification is public or internal, and team is ops`."""
    return ", and ".join(f"{key} is {_either(values)}" for key, values in expression)


def checked(
    expression: Iterable[tuple[str, Iterable[str]]],
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The expression in its canonical form: keys and values sorted, none twice.

    Raises:
        Invalid: TAG_EXPRESSION_INVALID, it is empty, names a key twice or a key without values, or
            more than 50 keys, or more than 50 values of a key.
    """
    found: dict[str, tuple[str, ...]] = {}
    for key, values in expression:
        listed = tuple(sorted(set(values)))
        if key in found:
            raise _invalid(f"The key {key} stands twice in the expression: list its values once.")
        if not listed:
            raise _invalid(f"The key {key} needs at least one value.")
        if len(listed) > MOST_VALUES:
            raise _invalid(f"The key {key} has more than {MOST_VALUES} values.")
        found[key] = listed
    if not found:
        raise _invalid("An expression needs at least one key with its values.")
    if len(found) > MOST_KEYS:
        raise _invalid(f"An expression has at most {MOST_KEYS} keys.")
    return tuple(sorted(found.items()))


def _invalid(message: str) -> Invalid:
    return Invalid("TAG_EXPRESSION_INVALID", message, field="expression")


def _either(values: Sequence[str]) -> str:
    if len(values) < 2:
        return "".join(values)
    return f"{', '.join(values[:-1])} or {values[-1]}"
