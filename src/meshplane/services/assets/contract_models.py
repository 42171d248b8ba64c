"""The sections of a data contract other than its schema, and the contract as a whole.

Source: Open Data Contract Standard 3.1.0, sections Fundamentals, Infrastructure & Servers, Team,
Roles, Service-Level Agreement, Support & Communication Channels, Pricing, Custom & Other.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from meshplane.services.assets.contract_fields import (
    AuthoritativeDefinition,
    CustomProperty,
    Given,
    Problem,
    Role,
    Section,
    Single,
    StableId,
    Whole,
    refuse_places,
)
from meshplane.services.assets.contract_schema import SchemaObject

# --- fundamentals -------------------------------------------------------------------------------


class Description(Section):
    """What the data is for. The standard lets it have further keys."""

    model_config = ConfigDict(extra="allow")

    purpose: Given[str] = None
    limitations: Given[str] = None
    usage: Given[str] = None
    authoritative_definitions: Given[list[AuthoritativeDefinition]] = None
    custom_properties: Given[list[CustomProperty]] = None


# --- servers ------------------------------------------------------------------------------------

# For each type of server: the keys that it requires, and those that it also allows.
_SERVER_KEYS: Mapping[str, tuple[str, str]] = {
    "api": ("location", ""),
    "athena": ("stagingDir schema", "catalog regionName"),
    "azure": ("location format", "delimiter"),
    "bigquery": ("project dataset", ""),
    "clickhouse": ("host port database", ""),
    "cloudsql": ("host port database schema", ""),
    "custom": (
        "",
        "account catalog database dataset delimiter endpointUrl format host location path port "
        "project region regionName schema serviceName stagingDir stream warehouse",
    ),
    "databricks": ("catalog schema", "host"),
    "db2": ("host port database", "schema"),
    "denodo": ("host port", "database"),
    "dremio": ("host port", "schema"),
    "duckdb": ("database", "schema"),
    "glue": ("account database", "location format"),
    "hive": ("host database", "port"),
    "impala": ("host database", "port"),
    "informix": ("host database", "port"),
    "kafka": ("host", "format"),
    "kinesis": ("", "region format"),
    "local": ("path format", ""),
    "mysql": ("host port database", ""),
    "oracle": ("host port serviceName", ""),
    "postgres": ("host port database schema", ""),
    "postgresql": ("host port database schema", ""),
    "presto": ("host", "catalog schema"),
    "pubsub": ("project", ""),
    "redshift": ("database schema", "host region account"),
    "s3": ("location", "endpointUrl format delimiter"),
    "sftp": ("location", "format delimiter"),
    "snowflake": ("account database schema", "host port warehouse"),
    "sqlserver": ("host database schema", "port"),
    "synapse": ("host port database", ""),
    "trino": ("host port catalog schema", ""),
    "vertica": ("host port database schema", ""),
    "zen": ("host database", "port"),
}
_ANY_SERVER = frozenset(
    {"id", "server", "type", "description", "environment", "roles", "customProperties"}
)


class Server(Section):
    """Where the data is. Which keys it has depends on its type."""

    id: Given[StableId] = None
    server: str
    type: str
    description: Given[str] = None
    environment: Given[str] = None
    roles: Given[list[Role]] = None
    custom_properties: Given[list[CustomProperty]] = None

    account: Given[str] = None
    catalog: Given[str] = None
    database: Given[str] = None
    dataset: Given[str] = None
    delimiter: Given[str] = None
    endpoint_url: Given[str] = None
    format: Given[str] = None
    host: Given[str] = None
    location: Given[str] = None
    path: Given[str] = None
    port: Given[Whole] = None
    project: Given[str] = None
    region: Given[str] = None
    region_name: Given[str] = None
    schema_name: Given[str] = Field(default=None, alias="schema")
    service_name: Given[str] = None
    staging_dir: Given[str] = None
    stream: Given[str] = None
    warehouse: Given[str] = None

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        if self.type not in _SERVER_KEYS:
            refuse_places("server", [(("type",), f"must be one of {', '.join(_SERVER_KEYS)}")])
        required, optional = (set(keys.split()) for keys in _SERVER_KEYS[self.type])
        given = self.keys_given()
        problems: list[Problem] = [
            ((key,), f"is required for a server of type {self.type}")
            for key in sorted(required - given)
        ]
        problems += [
            ((key,), f"is not a key of a server of type {self.type}")
            for key in sorted(given - required - optional - _ANY_SERVER)
        ]
        if self.type == "sftp" and not (self.location or "sftp://").startswith("sftp://"):
            problems.append((("location",), "must start with sftp://"))
        refuse_places("server", problems)
        return self


# --- team ---------------------------------------------------------------------------------------


class TeamMember(Section):
    """A person, and when they joined and left."""

    id: Given[StableId] = None
    username: str
    name: Given[str] = None
    description: Given[str] = None
    role: Given[str] = None
    date_in: Given[str] = None
    date_out: Given[str] = None
    replaced_by_username: Given[str] = None
    tags: Given[list[str]] = None
    custom_properties: Given[list[CustomProperty]] = None
    authoritative_definitions: Given[list[AuthoritativeDefinition]] = None


class Team(Section):
    """Who looks after the data."""

    id: Given[StableId] = None
    name: Given[str] = None
    description: Given[str] = None
    members: Given[list[TeamMember]] = None
    tags: Given[list[str]] = None
    custom_properties: Given[list[CustomProperty]] = None
    authoritative_definitions: Given[list[AuthoritativeDefinition]] = None


def _team_form(value: object) -> str:
    # Contracts of 3.0 list the members without a team around them.
    return "(members)" if isinstance(value, list | tuple) else "(team)"


TeamOrMembers = Annotated[
    Annotated[Team, Tag("(team)")] | Annotated[list[TeamMember], Tag("(members)")],
    Discriminator(_team_form),
]


# --- service levels, support, price -------------------------------------------------------------


class ServiceLevel(Section):
    """One promise about freshness, retention, availability and so on."""

    id: Given[StableId] = None
    property: str
    value: Single
    value_ext: Single = None
    unit: Given[str] = None
    element: Given[str] = None
    driver: Given[str] = None
    description: Given[str] = None
    scheduler: Given[str] = None
    schedule: Given[str] = None


class SupportChannel(Section):
    """Where to ask."""

    id: Given[StableId] = None
    channel: str
    url: Given[str] = None
    description: Given[str] = None
    tool: Given[str] = None
    scope: Given[str] = None
    invitation_url: Given[str] = None
    custom_properties: Given[list[CustomProperty]] = None


class Price(Section):
    """What the data costs."""

    id: Given[StableId] = None
    price_amount: Given[float] = None
    price_currency: Given[str] = None
    price_unit: Given[str] = None


# --- the whole ----------------------------------------------------------------------------------


class ContractDocument(Section):
    """A data contract."""

    api_version: Literal["v3.1.0", "v3.0.2", "v3.0.1", "v3.0.0", "v2.2.2", "v2.2.1", "v2.2.0"]
    kind: Literal["DataContract"]
    id: str
    version: str
    status: str
    name: Given[str] = None
    tenant: Given[str] = None
    domain: Given[str] = None
    data_product: Given[str] = None
    description: Given[Description] = None
    tags: Given[list[str]] = None
    schema_objects: Given[list[SchemaObject]] = Field(default=None, alias="schema")
    servers: Given[list[Server]] = None
    team: Given[TeamOrMembers] = None
    roles: Given[list[Role]] = None
    sla_default_element: Given[str] = None
    sla_properties: Given[list[ServiceLevel]] = None
    support: Given[list[SupportChannel]] = None
    price: Given[Price] = None
    custom_properties: Given[list[CustomProperty]] = None
    authoritative_definitions: Given[list[AuthoritativeDefinition]] = None
    contract_created_ts: Given[str] = None


def check_document(document: Any) -> ContractDocument:
    """Check a parsed contract against the standard.

    Args:
        document: JSON values, as read from the text.

    Raises:
        pydantic.ValidationError: at least one key does not hold; `problems_of` puts it in words.
    """
    return ContractDocument.model_validate(document)
