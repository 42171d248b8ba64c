"""Data contracts: the promise that a data product is published under.

A contract is a document of the Open Data Contract Standard 3.1.0 (Bitol); contracts written for
3.0 are accepted where 3.1.0 accepts them. This file is what the platform reads of a contract and
how it is checked against a table; the sections of the standard are declared in `contract_models`
and `contract_schema`, which load when the first contract is parsed.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from meshplane.kit.errors import FieldProblem, Invalid

if TYPE_CHECKING:
    from meshplane.services.assets.contract_models import ContractDocument
    from meshplane.services.assets.contract_schema import Item, Property, SchemaObject

MAX_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class ContractDescription:
    """What the data is for, what it is not for, and how to use it."""

    purpose: str | None = None
    limitations: str | None = None
    usage: str | None = None


@dataclass(frozen=True, slots=True)
class ContractProperty:
    """A column, or a field inside one. `name` is None only for the entries of an array."""

    name: str | None
    physical_name: str | None
    logical_type: str | None
    physical_type: str | None
    description: str | None
    classification: str | None
    required: bool
    unique: bool
    primary_key: bool
    primary_key_position: int
    partitioned: bool
    partition_key_position: int
    tags: tuple[str, ...]
    properties: tuple["ContractProperty", ...]
    items: "ContractProperty | None"

    @property
    def column_name(self) -> str:
        """The name that the column has in its table."""
        return self.physical_name or self.name or ""


@dataclass(frozen=True, slots=True)
class ContractObject:
    """A table, view, topic or file that the contract describes."""

    name: str
    physical_name: str | None
    physical_type: str | None
    description: str | None
    tags: tuple[str, ...]
    properties: tuple[ContractProperty, ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract that follows the standard."""

    id: str
    version: str
    status: str
    api_version: str
    name: str | None
    domain: str | None
    data_product: str | None
    tenant: str | None
    description: ContractDescription
    tags: tuple[str, ...]
    schema: tuple[ContractObject, ...]
    _document: dict[str, Any] = field(repr=False, compare=True, hash=False)

    def to_json(self) -> dict[str, Any]:
        """The whole document as JSON values, a copy that the caller may change."""
        return copy.deepcopy(self._document)


def parse_contract(text: str) -> Contract:
    """Read and check a contract.

    Args:
        text: YAML or JSON, at most 512 KiB as UTF-8.

    Returns:
        The contract.

    Raises:
        Invalid: `CONTRACT_INVALID`. `fields` holds up to 20 problems, each with its place
            (`contract.schema.0.properties.2.logicalType`); no message repeats a value.
    """
    # pydantic's classes and the YAML scanner cost start-up time, and few processes need them.
    from pydantic import ValidationError

    from meshplane.services.assets.contract_fields import problems_of
    from meshplane.services.assets.contract_limits import field_name
    from meshplane.services.assets.contract_models import check_document
    from meshplane.services.assets.contract_yaml import read_document

    document = read_document(text)
    try:
        checked = check_document(document)
    except ValidationError as error:
        raise _invalid(
            [FieldProblem(field_name(place), message) for place, message in problems_of(error)]
        ) from None
    return _contract(checked, document)


def _invalid(problems: Sequence[FieldProblem]) -> Invalid:
    first, more = problems[0], len(problems) - 1
    others = f" There are {more} more problems." if more > 1 else ""
    others = " There is one more problem." if more == 1 else others
    return Invalid(
        "CONTRACT_INVALID",
        "The contract does not follow the Open Data Contract Standard 3.1.0: "
        f"{first.field} {first.message}.{others}",
        fields=problems[:MAX_PROBLEMS],
    )


def _contract(checked: "ContractDocument", document: dict[str, Any]) -> Contract:
    about = checked.description
    return Contract(
        id=checked.id,
        version=checked.version,
        status=checked.status,
        api_version=checked.api_version,
        name=checked.name,
        domain=checked.domain,
        data_product=checked.data_product,
        tenant=checked.tenant,
        description=ContractDescription(
            purpose=about.purpose if about else None,
            limitations=about.limitations if about else None,
            usage=about.usage if about else None,
        ),
        tags=tuple(checked.tags or ()),
        schema=tuple(_object(found) for found in checked.schema_objects or ()),
        _document=document,
    )


def _object(found: "SchemaObject") -> ContractObject:
    return ContractObject(
        name=found.name,
        physical_name=found.physical_name,
        physical_type=found.physical_type,
        description=found.description,
        tags=tuple(found.tags or ()),
        properties=tuple(_property(each) for each in found.properties or ()),
    )


def _property(found: "Property | Item") -> ContractProperty:
    # The standard's defaults: no for what is not said, -1 for a position that does not apply.
    return ContractProperty(
        name=found.name,
        physical_name=found.physical_name,
        logical_type=found.logical_type,
        physical_type=found.physical_type,
        description=found.description,
        classification=found.classification,
        required=bool(found.required),
        unique=bool(found.unique),
        primary_key=bool(found.primary_key),
        primary_key_position=_position(found.primary_key_position),
        partitioned=bool(found.partitioned),
        partition_key_position=_position(found.partition_key_position),
        tags=tuple(found.tags or ()),
        properties=tuple(_property(each) for each in found.properties or ()),
        items=_property(found.items) if found.items else None,
    )


def _position(given: int | None) -> int:
    return -1 if given is None else given


# --- the contract and its table -----------------------------------------------------------------

_TIMESTAMPS = frozenset({"timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns"})
# Which Iceberg types (spec versions 2 and 3) may stand behind a logical type. The standard has no
# type for bytes or UUIDs: both are strings there, with a format.
_BEHIND: Mapping[str, frozenset[str]] = {
    "string": frozenset({"string", "uuid", "fixed", "binary"}),
    "date": frozenset({"date"}),
    "timestamp": _TIMESTAMPS,
    "time": frozenset({"time"}),
    "number": frozenset({"int", "long", "float", "double", "decimal"}),
    "integer": frozenset({"int", "long"}),
    "object": frozenset({"struct", "map", "variant"}),
    "array": frozenset({"list"}),
    "boolean": frozenset({"boolean"}),
}
_ICEBERG_TYPES = frozenset().union(*_BEHIND.values())
_BASE_TYPE = re.compile(r"\s*([a-z_]+)")
_WHOLE_DECIMAL = re.compile(r"\s*decimal\(\s*[0-9]+\s*,\s*0\s*\)\s*")


def column_problems(contract: Contract, columns: Mapping[str, str]) -> list[FieldProblem]:
    """Compare what a contract says of its first object with the columns of a table.

    Args:
        contract: a checked contract.
        columns: Iceberg type by column name: `long`, `decimal(9, 2)`, `list<string>`, …

    Returns:
        A problem for each column that only one side has, each column described twice, and each
        logical type that the column's type cannot hold. Empty when both agree. A property
        without a logical type, and what lies inside structs and lists, is not compared.
    """
    if not contract.schema:
        return [
            FieldProblem("contract.schema", "describes no table; add an object with its columns")
        ]
    return [*_described(contract, columns), *_undescribed(contract, columns)]


def _described(contract: Contract, columns: Mapping[str, str]) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    first_at: dict[str, int] = {}
    by_lower_case = {name.casefold() for name in columns}
    for index, found in enumerate(contract.schema[0].properties):
        place = f"contract.schema.0.properties.{index}"
        key = "physicalName" if found.physical_name else "name"
        name = found.column_name
        if name in first_at:
            message = f"describes the same column as contract.schema.0.properties.{first_at[name]}"
            problems.append(FieldProblem(f"{place}.{key}", message))
            continue
        first_at[name] = index
        if name not in columns:
            message = "names a column that the table does not have"
            if name.casefold() in by_lower_case:
                message += "; one differs only in upper and lower case"
            problems.append(FieldProblem(f"{place}.{key}", message))
            continue
        mismatch = _type_problem(found.logical_type, columns[name], contract.api_version)
        if mismatch:
            problems.append(FieldProblem(f"{place}.logicalType", mismatch))
    return problems


def _undescribed(contract: Contract, columns: Mapping[str, str]) -> list[FieldProblem]:
    described = {found.column_name for found in contract.schema[0].properties}
    return [
        FieldProblem(f"columns.{name}", "is a column of the table that the contract leaves out")
        for name in columns
        if name not in described
    ]


def _type_problem(logical_type: str | None, iceberg_type: str, api_version: str) -> str | None:
    if logical_type is None:
        return None
    matched = _BASE_TYPE.match(iceberg_type)
    base = matched[1] if matched else ""
    accepted = _BEHIND[logical_type]
    if logical_type == "date" and not api_version.startswith("v3.1"):
        # Before 3.1 the standard had one logical type for dates, times and timestamps.
        accepted = accepted | _TIMESTAMPS | {"time"}
    if logical_type == "integer" and _WHOLE_DECIMAL.fullmatch(iceberg_type):
        return None
    if base in accepted:
        return None
    shown = base if base in _ICEBERG_TYPES else "of another type"
    return (
        f"is {logical_type}, but the column is {shown}; "
        f"{logical_type} fits {', '.join(sorted(accepted))}"
    )
