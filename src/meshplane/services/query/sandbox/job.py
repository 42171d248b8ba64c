"""What goes into the sandbox and what comes out, as plain data that survives JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

MaskKind = Literal["none", "round", "truncate", "partial", "hash", "constant", "null"]
MaskUnit = Literal["year", "quarter", "month", "week", "day", "hour"]
Output = Literal["json", "arrow"]

SQL_BYTES = 64 * 1024  # longer text is refused before anything parses it
PARAMETER_BYTES = 1024 * 1024


class RelationName(NamedTuple):
    """A table as the statement names it; `schema` is None where it names none."""

    schema: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its name, its Iceberg field id, its type in the engine's SQL.

    `known_as` is the name by which scopes and their filters know it, where that is another one:
    an older version of a table is shown with the names that its columns had then.
    """

    name: str
    field_id: int
    sql_type: str
    known_as: str | None = None

    @property
    def policy_name(self) -> str:
        """The name by which scopes and their filters know it."""
        return self.known_as or self.name

    def to_json(self) -> dict[str, Any]:
        """The column as JSON values."""
        return {
            "name": self.name,
            "fieldId": self.field_id,
            "sqlType": self.sql_type,
            "knownAs": self.known_as,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Column":
        """The column that `to_json` wrote."""
        return cls(value["name"], value["fieldId"], value["sqlType"], value["knownAs"])


@dataclass(frozen=True, slots=True)
class CheckedFilter:
    """A row filter that was checked: its canonical text, and the columns that it names."""

    text: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Mask:
    """What is shown in place of a cell; one without a value stays NULL under each but `constant`.

    `sandbox/masks.py` says of each kind exactly what it shows.

    Args:
        kind: `none`, the cell itself; `round` of a number and `truncate` of a date or an instant,
            which keep the column's type; `partial` of text, of which only the ends are shown;
            `hash`, keyed; `constant`; `null`. From the weakest to the strictest.
        value: of a constant.
        keep_first, keep_last: the characters that `partial` shows at each end.
        fill: the character that stands, four times, for whatever `partial` hides.
        unit: to which `truncate` goes back.
        digits: that `round` keeps after the decimal point; -3 rounds to thousands.
    """

    kind: MaskKind
    value: Any = None
    keep_first: int = 0
    keep_last: int = 0
    fill: str = "*"
    unit: MaskUnit | None = None
    digits: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The mask as JSON values."""
        return {
            "kind": self.kind,
            "value": self.value,
            "keepFirst": self.keep_first,
            "keepLast": self.keep_last,
            "fill": self.fill,
            "unit": self.unit,
            "digits": self.digits,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Mask":
        """The mask that `to_json` wrote."""
        return cls(
            value["kind"],
            value["value"],
            value["keepFirst"],
            value["keepLast"],
            value["fill"],
            value["unit"],
            value["digits"],
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """What one grant lets through: rows by a filter (None: all), columns with their mask.

    A column that is not in `columns` is not part of the grant; a mask of None shows it plain.
    Columns go by their `policy_name`.
    """

    row_filter: str | None
    columns: Mapping[str, Mask | None]

    def to_json(self) -> dict[str, Any]:
        """The scope as JSON values."""
        return {
            "rowFilter": self.row_filter,
            "columns": {name: mask and mask.to_json() for name, mask in self.columns.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Scope":
        """The scope that `to_json` wrote."""
        masks = {name: mask and Mask.from_json(mask) for name, mask in value["columns"].items()}
        return cls(value["rowFilter"], masks)


@dataclass(frozen=True, slots=True)
class Relation:
    """A granted table: the data files of its snapshot, its columns, and the caller's scopes.

    Scopes are a union, as in Lake Formation: a row is visible if one of them lets it through, and
    a cell gets the weakest treatment among those that let its row through (plain, then the kinds
    of `Mask` in their order; a column outside the grant is null). No scope at all is refused.

    `principal` (`user:…`) and `groups` are what `current_principal()` and `in_group('…')` in the
    filters stand for. A view has a `body` in place of files.
    """

    schema: str
    name: str
    files: tuple[str, ...]
    columns: tuple[Column, ...]
    scopes: tuple[Scope, ...]
    principal: str = ""
    groups: tuple[str, ...] = ()
    body: "Body | None" = None

    def to_json(self) -> dict[str, Any]:
        """The relation as JSON values."""
        return {
            "schema": self.schema,
            "name": self.name,
            "files": list(self.files),
            "columns": [column.to_json() for column in self.columns],
            "scopes": [scope.to_json() for scope in self.scopes],
            "principal": self.principal,
            "groups": list(self.groups),
            "body": self.body and self.body.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Relation":
        """The relation that `to_json` wrote."""
        return cls(
            value["schema"],
            value["name"],
            tuple(value["files"]),
            tuple(Column.from_json(column) for column in value["columns"]),
            tuple(Scope.from_json(scope) for scope in value["scopes"]),
            value["principal"],
            tuple(value["groups"]),
            value["body"] and Body.from_json(value["body"]),
        )


@dataclass(frozen=True, slots=True)
class Body:
    """What a view is made of.

    Args:
        sql: its SELECT.
        names: the tables that it names; relations: what is seen of each by whom it runs as.
        place: where it was built in the engine; empty until it is.
    """

    sql: str
    names: tuple[RelationName, ...]
    relations: tuple[Relation, ...]
    place: str = ""

    def to_json(self) -> dict[str, Any]:
        """The body as JSON values; where it was built is known in one process only."""
        return {
            "sql": self.sql,
            "names": [list(name) for name in self.names],
            "relations": [relation.to_json() for relation in self.relations],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Body":
        """The body that `to_json` wrote."""
        return cls(
            value["sql"],
            tuple(RelationName(schema, name) for schema, name in value["names"]),
            tuple(Relation.from_json(relation) for relation in value["relations"]),
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """What one statement may use: wall-clock seconds, memory, engine threads, rows, bytes."""

    timeout_seconds: float = 30.0
    memory_mib: int = 1024
    threads: int = 2
    max_rows: int = 10_000
    max_bytes: int = 64 * 1024 * 1024

    def to_json(self) -> dict[str, Any]:
        """The limits as JSON values."""
        return {
            "timeoutSeconds": self.timeout_seconds,
            "memoryMib": self.memory_mib,
            "threads": self.threads,
            "maxRows": self.max_rows,
            "maxBytes": self.max_bytes,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Limits":
        """The limits that `to_json` wrote."""
        return cls(
            value["timeoutSeconds"],
            value["memoryMib"],
            value["threads"],
            value["maxRows"],
            value["maxBytes"],
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT, the values of its parameters (a list for `?` and `$1`, a mapping for `$name`)."""

    sql: str
    parameters: Sequence[Any] | Mapping[str, Any] | None = None
    output: Output = "json"
    limits: Limits = field(default_factory=Limits)

    def to_json(self) -> dict[str, Any]:
        """The statement as JSON values."""
        parameters = self.parameters
        if isinstance(parameters, Mapping):
            parameters = dict(parameters)
        elif parameters is not None:
            parameters = list(parameters)
        return {
            "sql": self.sql,
            "parameters": parameters,
            "output": self.output,
            "limits": self.limits.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Statement":
        """The statement that `to_json` wrote."""
        limits = Limits.from_json(value["limits"])
        return cls(value["sql"], value["parameters"], value["output"], limits)


@dataclass(frozen=True, slots=True)
class Spent:
    """What an engine that is paid for each statement says that it took.

    Args:
        bytes_scanned: that it read.
        usd: what that costs, in US dollars.
    """

    bytes_scanned: int
    usd: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a statement.

    `columns` holds `name` and `type` of each. `body` is a JSON array of rows, each an array, or an
    Arrow IPC stream. `truncated` says that there were more rows than allowed. `relations` are the
    tables it named. `seconds` is the wall-clock time in the sandbox, `resolve_seconds` that of the
    caller's own `resolve` within it; `spent` is what an engine says that is
    not this machine's own.
    """

    columns: tuple[Mapping[str, str], ...]
    row_count: int
    truncated: bool
    body: bytes
    relations: tuple[RelationName, ...]
    seconds: float
    resolve_seconds: float
    spent: Spent | None = None
