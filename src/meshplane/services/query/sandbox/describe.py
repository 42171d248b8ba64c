"""DESCRIBE of one table, the only statement about tables that is answered: from the grant."""

from typing import Any

from meshplane.services.query.sandbox.job import RelationName

_BASE_TABLE = {"type": "BASE_TABLE", "sample": None, "at_clause": None, "catalog_name": ""}
_NONE: dict[str, Any] = {
    "type": "SELECT_NODE",
    "modifiers": [],
    "cte_map": {"map": []},
    "where_clause": None,
    "group_expressions": [],
    "group_sets": [],
    "having": None,
    "sample": None,
    "qualify": None,
}


def _plain_star(node: Any) -> Any:
    """The FROM of a node that is `SELECT * FROM …` and nothing more; None for any other."""
    if not isinstance(node, dict) or any(node.get(name) != value for name, value in _NONE.items()):
        return None
    chosen = node["select_list"]
    if len(chosen) != 1 or chosen[0].get("class") != "STAR":
        return None
    star = chosen[0]
    lists = ("exclude_list", "replace_list", "qualified_exclude_list", "rename_list")
    if star["columns"] or star["expr"] or star["relation_name"] or any(star[it] for it in lists):
        return None
    return node["from_table"]


def described(tree: dict[str, Any]) -> RelationName | None:
    """The table that the statement describes; None if it is not DESCRIBE of one table by name.

    Args:
        tree: one entry of `statements` of the engine's serialised tree.
    """
    shown = _plain_star(tree["node"])
    if shown is None or shown.get("type") != "SHOW_REF" or shown.get("show_type") != "DESCRIBE":
        return None
    table = _plain_star(shown.get("query"))
    if table is None or any(table.get(name) != value for name, value in _BASE_TABLE.items()):
        return None
    schema, name = table["schema_name"], table["table_name"]
    if table["qualified_name"] != {"path": [schema, name] if schema else [name]}:
        return None
    return RelationName(schema or None, name)
