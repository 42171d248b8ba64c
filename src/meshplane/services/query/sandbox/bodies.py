"""Builds what a view is made of, out of sight of the statement that reads the view.

The tables of a body are secure views of their own, with the scopes of whoever the view runs as.
Each body has a database of its own in the engine, whose name nobody can guess and no statement may
write: the gate takes no name with a database in front, and a schema that was not granted is not
there. The engine looks up the names of a body in that database alone, so that a table of the same
name that the caller reads by his own grants is another one.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace

import duckdb

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import views
from meshplane.services.query.sandbox.built import SCHEMA, body_name
from meshplane.services.query.sandbox.engine import Connection, identifier, parse
from meshplane.services.query.sandbox.faults import invalid, refused
from meshplane.services.query.sandbox.gate import Gate
from meshplane.services.query.sandbox.job import Body, Relation

DEEPEST = 3
BROKEN = "A view that this reads no longer fits what it is made of; its owner must mend it."
UNFIT = "A view that this reads cannot be made of what you may see of the tables below it."


def files(relations: Sequence[Relation]) -> set[str]:
    """The files of these relations and of what lies below them."""
    found = {file for relation in relations for file in relation.files}
    below = [relation.body.relations for relation in relations if relation.body is not None]
    return found.union(*(files(relations) for relations in below))


def with_body_built(
    connection: Connection, relation: Relation, mask_key: bytes, depth: int = 0
) -> Relation:
    """The relation, ready for `views.create_view`; that of a table is so already.

    Args:
        connection: a locked engine.
        relation: as it was granted.
        mask_key: the tenant's secret for hash masks.
        depth: how many views it lies below.

    Raises:
        Refused: the body is more than one SELECT over the tables that it comes with, does not fit
            them, or lies too deep.
        duckdb.Error: a file cannot be opened.
    """
    if relation.body is None:
        return relation
    if depth >= DEEPEST:
        raise refused(BROKEN)
    body = replace(relation.body, place=f"view {secrets.token_hex(16)}")
    _check(connection, body)
    place = identifier(body.place)
    connection.execute(f"ATTACH ':memory:' AS {place}")
    connection.execute(f"CREATE SCHEMA {place}.{identifier(SCHEMA)}")
    _build_tables(connection, body, mask_key, depth)
    try:
        connection.execute(f"CREATE VIEW {body_name(body)} AS {body.sql}")
    except duckdb.Error as error:
        raise invalid(UNFIT) from error
    return replace(relation, body=body)


def _check(connection: Connection, body: Body) -> None:
    """Sees that a body is one SELECT that passes the gate and names the tables it comes with."""
    try:
        parsed = parse(connection, body.sql)
        gated = Gate("").statement(parsed.tree) if parsed is not None else None
    except (duckdb.Error, MeshplaneError) as error:
        raise refused(BROKEN) from error
    if gated is None or gated.parameters or set(gated.relations) != set(body.names):
        raise refused(BROKEN)


def _build_tables(connection: Connection, body: Body, mask_key: bytes, depth: int) -> None:
    """Builds the tables of a body, once under their full names, and as it names them."""
    made: set[str] = set()
    for name, relation in zip(body.names, body.relations, strict=True):
        full = f"{identifier(relation.schema)}.{identifier(relation.name)}"
        if full.lower() not in made:
            made.add(full.lower())
            standing = _standing(connection, relation)
            whole = with_body_built(connection, standing, mask_key, depth + 1)
            key = views.hash_key(mask_key, relation.schema)
            views.create_view(connection, whole, key, body.place)
        if name.schema is None and name.name.lower() not in made:
            made.add(name.name.lower())
            # Names without a schema are looked up where the body itself stands.
            place = identifier(body.place)
            connection.execute(
                f"CREATE VIEW {place}.{identifier(SCHEMA)}.{identifier(name.name)} "
                f"AS FROM {place}.{full}"
            )


def _standing(connection: Connection, relation: Relation) -> Relation:
    """As `views.standing`, without the name of a table that the caller may not know of."""
    try:
        return views.standing(connection, relation)
    except MeshplaneError as error:
        raise refused(BROKEN) from error
