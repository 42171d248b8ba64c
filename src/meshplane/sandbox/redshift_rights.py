"""Rights of a Redshift database: users, grants on tables and columns, row-level security.

By Redshift's documentation ("GRANT", "Usage notes for column-level access control", "Scoped
permissions", "CREATE RLS POLICY", "ATTACH RLS POLICY", "ALTER TABLE", "SVV_…"): a user reads the
columns that he was granted in a schema that he may use, or all of them where he was granted all
tables; `SELECT *` asks for all of them; on a table with row-level security he sees no row without a
policy, and several are joined as the table says. Superusers see everything, and they alone change
rights here.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.schema import MappingSchema

_NAME = r'("(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_]*)'
_WHO = rf"(PUBLIC|ROLE\s+{_NAME}|{_NAME})"
_TABLE = rf"(?:TABLE\s+)?{_NAME}\.{_NAME}"
_ON_SCHEMAS = ("ALTER", "CREATE", "USAGE")
_SELECT, _ALL = "SELECT", ("SELECT", "INSERT", "UPDATE", "DELETE", "DROP", "REFERENCES")
Who = tuple[str, str]
"""Kind and name: `user`, `role`, `group` or `public`."""

_EVERYBODY: Who = ("public", "public")


class RightsError(Exception):
    """What Redshift says instead of doing it."""


@dataclass
class Rights:
    """The rights of one database.

    Attributes:
        users: by name, with their numbers.
        superusers: names.
        roles, groups: names of users, by the role's or the group's.
        relations: schema, table, privilege, who.
        columns: schema, table, column, privilege, who.
        schemas: schema, privilege, who: on the schema, or on all tables in it.
        databases: database, privilege, who: on all tables in it.
        name: of the database.
        policies: columns with their types, and the condition, by name.
        attached: policy, schema, table, who.
        filtered: tables with row-level security, and how policies are joined.
    """

    users: dict[str, int] = field(default_factory=dict)
    superusers: set[str] = field(default_factory=set)
    roles: dict[str, set[str]] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)
    relations: set[tuple[str, str, str, Who]] = field(default_factory=set)
    columns: set[tuple[str, str, str, str, Who]] = field(default_factory=set)
    schemas: set[tuple[str, str, Who]] = field(
        # "By default, all users have CREATE and USAGE permissions on the PUBLIC schema."
        default_factory=lambda: {("public", right, _EVERYBODY) for right in ("CREATE", "USAGE")}
    )
    policies: dict[str, tuple[list[tuple[str, str]], str]] = field(default_factory=dict)
    attached: set[tuple[str, str, str, Who]] = field(default_factory=set)
    filtered: dict[tuple[str, str], str] = field(default_factory=dict)
    databases: set[tuple[str, str, Who]] = field(default_factory=set)
    name: str = "dev"

    def is_super(self, user: str) -> bool:
        """Whether a user may do everything."""
        return user in self.superusers

    def known(self, user: str) -> None:
        """Makes a user of a role that connects for the first time, as Redshift does."""
        self.users.setdefault(user, 100 + len(self.users))

    def change(self, sql: str, columns_of: Callable[[str, str], dict[str, str]]) -> bool:
        """Carries a statement on rights out; False: it is another one.

        Args:
            sql: one statement.
            columns_of: the columns of a table with their types; empty if there is none.

        Raises:
            RightsError: it is wrong.
        """
        text = sql.strip().rstrip(";").strip()
        for pattern, act in _STATEMENTS:
            found = re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL)
            if found is not None:
                act(_Change(self, columns_of), *found.groups())
                return True
        return False

    def identities(self, user: str) -> list[Who]:
        """As whom a user has rights."""
        return [
            ("user", user),
            _EVERYBODY,
            *(("role", name) for name, members in self.roles.items() if user in members),
            *(("group", name) for name, members in self.groups.items() if user in members),
        ]

    def seen(
        self, tree: exp.Expr, user: str, columns_of: Callable[[str, str], dict[str, str]]
    ) -> exp.Expr:
        """A query as a user sees it: its tables stand for the rows that he may see.

        Raises:
            RightsError: permission denied.
        """
        if not isinstance(tree, exp.Query):
            raise RightsError("permission denied: only a superuser may run this here")
        named = _named(tree)
        for schema, table in named:
            self._may_use(schema, table, user)
        self._check_columns(tree, user, {one: columns_of(*one) for one in named})
        for scope in traverse_scope(tree):
            for name, source in list(scope.sources.items()):
                if isinstance(source, exp.Table):
                    place = _place(source)
                    source.replace(self._rows(place, name, user, columns_of(*place)))
        return tree

    def _may_use(self, schema: str, table: str, user: str) -> None:
        who = self.identities(user)
        if schema != "public" and not any((schema, "USAGE", one) in self.schemas for one in who):
            raise RightsError(f"permission denied for schema {schema}")
        if not self._readable(schema, table, user):
            raise RightsError(f"permission denied for relation {table}")

    def _readable(self, schema: str, table: str, user: str) -> set[str] | None:
        """The columns that a user may read, `*` for all."""
        who = self.identities(user)
        whole = any(
            (schema, table, _SELECT, one) in self.relations
            or (schema, _SELECT, one) in self.schemas
            or (self.name, _SELECT, one) in self.databases
            for one in who
        )
        found = {c for s, t, c, p, one in self.columns if (s, t, p) == (schema, table, _SELECT)
                 and one in who}  # fmt: skip
        return {"*"} if whole else found

    def _check_columns(
        self, tree: exp.Expr, user: str, tables: dict[tuple[str, str], dict[str, str]]
    ) -> None:
        schema: dict[str, Any] = {}
        for (database, table), columns in tables.items():
            schema.setdefault(database, {})[table] = columns
        whole = qualify(
            tree.copy(), dialect="redshift", schema=MappingSchema(schema, dialect="redshift"),
            validate_qualify_columns=False,
        )  # fmt: skip
        for scope in traverse_scope(whole):
            for column in scope.columns:
                source = scope.sources.get(column.table)
                if isinstance(source, exp.Table):
                    readable = self._readable(*_place(source), user) or set()
                    if "*" not in readable and column.name not in readable:
                        raise RightsError(f"permission denied for relation {source.name}")

    def _rows(
        self, place: tuple[str, str], alias: str, user: str, columns: dict[str, str]
    ) -> exp.Expr:
        readable = self._readable(*place, user) or set()
        shown = [name for name in columns if "*" in readable or name in readable]
        rows = exp.select(*(exp.column(name, quoted=True) for name in shown)).from_(
            exp.table_(place[1], db=place[0], quoted=True)
        )
        how = self.filtered.get(place)
        if how is not None:
            rows = rows.where(self._condition(place, user, how))
        return rows.subquery(alias)

    def _condition(self, place: tuple[str, str], user: str, how: str) -> exp.Expr:
        who = self.identities(user)
        conditions = [
            sqlglot.parse_one(self.policies[name][1], read="redshift")
            for name, *where, one in sorted(self.attached)
            if tuple(where) == place and one in who
        ]
        if not conditions:
            return exp.false()
        join = exp.or_ if how == "or" else exp.and_
        joined: exp.Expr = join(*conditions)
        return joined

    def show(self, database: duckdb.DuckDBPyConnection, sql: str) -> None:
        """Writes the views on rights that a statement names, as tables for a superuser to read."""
        for name, columns, rows in self._views():
            if name not in sql:
                continue
            database.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")
            for row in rows:
                marks = ", ".join("?" for _ in row)
                database.execute(f"INSERT INTO {name} VALUES ({marks})", list(row))  # noqa: S608

    def _views(self) -> Iterator[tuple[str, str, list[tuple[Any, ...]]]]:
        who = "identity_type VARCHAR, identity_name VARCHAR"
        yield (
            "pg_user",
            "usename VARCHAR, usesysid INTEGER, usesuper BOOLEAN",
            [(name, number, name in self.superusers) for name, number in self.users.items()],
        )
        yield (
            "pg_group",
            "groname VARCHAR, grolist INTEGER[]",
            [(name, [self.users[one] for one in them]) for name, them in self.groups.items()],
        )
        yield (
            "svv_user_grants",
            "user_name VARCHAR, role_name VARCHAR",
            [(user, name) for name, them in self.roles.items() for user in them],
        )
        yield (
            "svv_relation_privileges",
            f"namespace_name VARCHAR, relation_name VARCHAR, privilege_type VARCHAR, {who}",
            [(s, t, p, *one) for s, t, p, one in sorted(self.relations)],
        )
        yield (
            "svv_column_privileges",
            "namespace_name VARCHAR, relation_name VARCHAR, column_name VARCHAR, "
            f"privilege_type VARCHAR, {who}",
            [(s, t, c, p, *one) for s, t, c, p, one in sorted(self.columns)],
        )
        yield (
            "svv_schema_privileges",
            f"namespace_name VARCHAR, privilege_type VARCHAR, {who}, privilege_scope VARCHAR",
            [
                (s, p, *one, "SCHEMA" if p in _ON_SCHEMAS else "TABLES")
                for s, p, one in sorted(self.schemas)
            ],
        )
        yield (
            "svv_database_privileges",
            f"database_name VARCHAR, privilege_type VARCHAR, {who}, privilege_scope VARCHAR",
            [
                # "TEMP … is granted to PUBLIC by default."
                (self.name, "TEMP", *_EVERYBODY, "DATABASE"),
                *((d, p, *one, "TABLES") for d, p, one in sorted(self.databases)),
            ],
        )
        yield (
            "svv_rls_relation",
            "relschema VARCHAR, relname VARCHAR, is_rls_on BOOLEAN, rls_conjunction_type VARCHAR",
            [(*place, True, how) for place, how in self.filtered.items()],
        )
        yield (
            "svv_rls_attached_policy",
            "polname VARCHAR, relschema VARCHAR, relname VARCHAR, granteekind VARCHAR, "
            "grantee VARCHAR",
            [(p, s, t, *one) for p, s, t, one in sorted(self.attached)],
        )
        yield (
            "svv_rls_policy",
            "polname VARCHAR, polqual VARCHAR",
            [(name, text) for name, (_, text) in self.policies.items()],
        )


def plain(name: str) -> str:
    """The name that an identifier stands for."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def _named(tree: exp.Expr) -> list[tuple[str, str]]:
    sources = [s for scope in traverse_scope(tree) for s in scope.sources.values()]
    return [_place(one) for one in sources if isinstance(one, exp.Table)]


def _place(table: exp.Table) -> tuple[str, str]:
    return table.db.lower() or "public", table.name.lower()


@dataclass
class _Change:
    """One statement on rights."""

    rights: Rights
    columns_of: Callable[[str, str], dict[str, str]]

    def create_user(self, name: str) -> None:
        if plain(name) in self.rights.users:
            raise RightsError(f"user {name} already exists")
        self.rights.known(plain(name))

    def use_schema(self, verb: str, schema: str, who: str, *_: str | None) -> None:
        right = (plain(schema), "USAGE", self._who(who))
        _set(self.rights.schemas, right, verb)

    def tables_in(
        self, verb: str, privilege: str, where: str, name: str, who: str, *_: str | None
    ) -> None:
        """Scoped: what is given for all tables of a schema or of a database, and for those to come.

        https://docs.aws.amazon.com/redshift/latest/dg/t_scoped-permissions.html
        """
        place, one = plain(name), privilege.upper()
        if where.upper() == "SCHEMA":
            _set(self.rights.schemas, (place, one, self._who(who)), verb)
            return
        if place != self.rights.name:
            raise RightsError(f"database {name} is not this one")
        _set(self.rights.databases, (place, one, self._who(who)), verb)

    def some_columns(
        self, verb: str, names: str, schema: str, table: str, who: str, *_: str | None
    ) -> None:
        there = self._table(schema, table)
        for name in (plain(one) for one in re.findall(_NAME, names)):
            if name not in there:
                raise RightsError(f"column {name} of relation {plain(table)} does not exist")
            right = (plain(schema), plain(table), name, _SELECT, self._who(who))
            _set(self.rights.columns, right, verb)

    def whole_table(
        self, verb: str, privilege: str, schema: str, table: str, who: str, *_: str | None
    ) -> None:
        self._table(schema, table)
        wanted = _ALL if privilege.upper() == "ALL" else (privilege.upper(),)
        for one in wanted:
            right = (plain(schema), plain(table), one, self._who(who))
            _set(self.rights.relations, right, verb)

    def create_policy(self, name: str, columns: str | None, condition: str) -> None:
        if plain(name) in self.rights.policies:
            raise RightsError(f"RLS policy {name} already exists")
        pairs = re.findall(rf"{_NAME}\s+([a-z0-9]+(?:\([0-9, ]+\))?)", columns or "")
        try:
            used = sqlglot.parse_one(condition, read="redshift").find_all(exp.Column)
        except SqlglotError as error:
            raise RightsError("syntax error in the policy") from error
        named = {plain(one) for one, _ in pairs}
        if not {one.name.lower() for one in used} <= named:
            raise RightsError("the policy uses a column that is not in its WITH clause")
        kept = [(plain(one), kind) for one, kind in pairs]
        self.rights.policies[plain(name)] = (kept, condition)

    def drop_policy(self, name: str) -> None:
        if plain(name) not in self.rights.policies:
            raise RightsError(f"RLS policy {name} does not exist")
        if any(one[0] == plain(name) for one in self.rights.attached):
            raise RightsError(f"RLS policy {name} is attached")
        del self.rights.policies[plain(name)]

    def attach(self, policy: str, schema: str, table: str, who: str, *_: str | None) -> None:
        there = self._table(schema, table)
        if plain(policy) not in self.rights.policies:
            raise RightsError(f"RLS policy {policy} does not exist")
        for name, kind in self.rights.policies[plain(policy)][0]:
            if there.get(name) != kind.partition("(")[0]:
                raise RightsError(f"column {name} of the policy is not in the relation")
        self.rights.attached.add((plain(policy), plain(schema), plain(table), self._who(who)))

    def detach(self, policy: str, schema: str, table: str, who: str, *_: str | None) -> None:
        one = (plain(policy), plain(schema), plain(table), self._who(who))
        if one not in self.rights.attached:
            raise RightsError("the RLS policy is not attached")
        self.rights.attached.remove(one)

    def filter_rows(self, schema: str, table: str, switch: str, how: str | None) -> None:
        self._table(schema, table)
        place = (plain(schema), plain(table))
        if switch.upper() == "ON":
            self.rights.filtered[place] = (how or "and").lower()
        else:
            self.rights.filtered.pop(place, None)

    def _table(self, schema: str, table: str) -> dict[str, str]:
        found = self.columns_of(plain(schema), plain(table))
        if not found:
            raise RightsError(f"relation {plain(table)} does not exist")
        return found

    def _who(self, text: str) -> Who:
        if text.upper() == "PUBLIC":
            return _EVERYBODY
        if text.upper().startswith("ROLE "):
            return "role", plain(text[5:].strip())
        if plain(text) not in self.rights.users:
            raise RightsError(f"user {text} does not exist")
        return "user", plain(text)


def _set(rights: set[Any], right: Any, verb: str) -> None:
    if verb.upper() == "GRANT":
        rights.add(right)
    else:
        rights.discard(right)


_GIVE = r"(GRANT|REVOKE)\s+"
_TO = rf"\s+(?:TO|FROM)\s+{_WHO}"
_STATEMENTS: tuple[tuple[str, Callable[..., None]], ...] = (
    (rf"CREATE\s+USER\s+{_NAME}\s+PASSWORD\s+DISABLE", _Change.create_user),
    (rf"{_GIVE}USAGE\s+ON\s+SCHEMA\s+{_NAME}{_TO}", _Change.use_schema),
    (
        rf"{_GIVE}(SELECT|INSERT|UPDATE|DELETE)\s+FOR\s+TABLES\s+IN\s+(SCHEMA|DATABASE)\s+"
        rf"{_NAME}{_TO}",
        _Change.tables_in,
    ),
    (rf"{_GIVE}SELECT\s*\(([^()]+)\)\s+ON\s+{_TABLE}{_TO}", _Change.some_columns),
    (rf"{_GIVE}(ALL|SELECT|INSERT|UPDATE|DELETE)\s+ON\s+{_TABLE}{_TO}", _Change.whole_table),
    (
        rf"CREATE\s+RLS\s+POLICY\s+{_NAME}\s+(?:WITH\s*\((.+?)\)\s+)?USING\s*(\(.+\))",
        _Change.create_policy,
    ),
    (rf"DROP\s+RLS\s+POLICY\s+{_NAME}", _Change.drop_policy),
    (rf"ATTACH\s+RLS\s+POLICY\s+{_NAME}\s+ON\s+{_TABLE}{_TO}", _Change.attach),
    (rf"DETACH\s+RLS\s+POLICY\s+{_NAME}\s+ON\s+{_TABLE}{_TO}", _Change.detach),
    (
        rf"ALTER\s+TABLE\s+{_NAME}\.{_NAME}\s+ROW\s+LEVEL\s+SECURITY\s+(ON|OFF)"
        r"(?:\s+CONJUNCTION\s+TYPE\s+(AND|OR))?",
        _Change.filter_rows,
    ),
)
