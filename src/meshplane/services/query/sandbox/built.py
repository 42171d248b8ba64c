"""How a view's body is named once it has been built in the engine."""

from meshplane.services.query.sandbox.engine import identifier
from meshplane.services.query.sandbox.faults import POLICY, refused
from meshplane.services.query.sandbox.job import Body, Relation

# No domain and no asset has a name with a blank in it.
SCHEMA, BODY = "the view", "the body"


def built_source(relation: Relation, body: Body) -> str:
    """FROM a body that has been built, each column with the type that the view was made with.

    Where whoever it runs as sees a column masked into another type, a cell that does not fit is
    NULL.

    Raises:
        Refused: it was not built.
    """
    if not body.place:
        raise refused(POLICY)
    cells = ", ".join(
        f"TRY_CAST({identifier(column.policy_name)} AS {column.sql_type}) "
        f"AS {identifier(column.policy_name)}"
        for column in relation.columns
    )
    return f"FROM (SELECT {cells} FROM {body_name(body)})"  # noqa: S608 - names are quoted


def body_name(body: Body) -> str:
    """The full name of a body that has been built."""
    return f"{identifier(body.place)}.{identifier(SCHEMA)}.{identifier(BODY)}"
