"""OpenLineage 2-0-2 events: checked on the way in, read for column lineage, written on the way out.

Written from the core schema (https://openlineage.io/spec/2-0-2/OpenLineage.json) and the
ColumnLineageDatasetFacet 1-2-0. As there, an event of the core schema may carry any facet with a
producer and a schema; what a facet holds is for its own schema to say, and only the column
lineage facet is read here.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from meshplane.kit.errors import FieldProblem, Invalid

SCHEMA_URL: Final = "https://openlineage.io/spec/2-0-2/OpenLineage.json"
COLUMN_LINEAGE_URL: Final = (
    "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json"
    "#/$defs/ColumnLineageDatasetFacet"
)
PRODUCER: Final = "urn:meshplane:lineage"
INEXACT: Final = "One of the columns that this column may depend on; not all of them need to."

# RFC 3339, section 5.6.
_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt]((?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d|60)(?:\.\d+)?"
    r"(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
# RFC 3986: a scheme, then characters that a URI may hold, one fragment at most.
_URI_CHARACTERS = r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})*"
_URI = re.compile(rf"[A-Za-z][A-Za-z0-9+.-]*:{_URI_CHARACTERS}(?:#{_URI_CHARACTERS})?")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


def _date_time(text: str) -> str:
    match = _DATE_TIME.fullmatch(text)
    if match is not None:
        try:
            datetime.fromisoformat(match[1])
        except ValueError:
            match = None
    if match is None:
        message = "must be a date and time with an offset, as 2026-01-31T12:00:00Z (RFC 3339)"
        raise PydanticCustomError("date_time", message)
    return text


def _uri(text: str) -> str:
    if _URI.fullmatch(text) is None:
        raise PydanticCustomError("uri", "must be an absolute URI (RFC 3986)")
    return text


def _uuid(text: str) -> str:
    if _UUID.fullmatch(text) is None:
        raise PydanticCustomError("uuid", "must be a UUID in its form with hyphens (RFC 4122)")
    return text


DateTime = Annotated[str, AfterValidator(_date_time)]
Uri = Annotated[str, AfterValidator(_uri)]
Uuid = Annotated[str, AfterValidator(_uuid)]


class _Part(BaseModel):
    """An object of the schema: its own members are checked, others are kept."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


class Facet(_Part):
    """BaseFacet: what every facet says about itself."""

    producer: Uri = Field(alias="_producer")
    schema_url: Uri = Field(alias="_schemaURL")


class RemovableFacet(Facet):
    """JobFacet and DatasetFacet: `_deleted` takes an earlier facet of the name away."""

    deleted: StrictBool = Field(default=False, alias="_deleted")


class Run(_Part):
    """One run of a job."""

    run_id: Uuid = Field(alias="runId")
    facets: dict[str, Facet] = Field(default_factory=dict)


class Job(_Part):
    """A process that reads and writes datasets."""

    namespace: str
    name: str
    facets: dict[str, RemovableFacet] = Field(default_factory=dict)


class Dataset(_Part):
    """A table, a file or the like."""

    namespace: str
    name: str
    facets: dict[str, RemovableFacet] = Field(default_factory=dict)


class InputDataset(Dataset):
    """A dataset that a job reads."""

    input_facets: dict[str, Facet] = Field(default_factory=dict, alias="inputFacets")


class OutputDataset(Dataset):
    """A dataset that a job writes."""

    output_facets: dict[str, Facet] = Field(default_factory=dict, alias="outputFacets")


class _Event(_Part):
    event_time: DateTime = Field(alias="eventTime")
    producer: Uri
    schema_url: Uri = Field(alias="schemaURL")


class JobEvent(_Event):
    """What is known of a job apart from its runs."""

    job: Job
    inputs: list[InputDataset] = Field(default_factory=list)
    outputs: list[OutputDataset] = Field(default_factory=list)


class RunEvent(JobEvent):
    """A change of state of a run."""

    run: Run
    event_type: Literal["START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"] = Field(
        default="OTHER", alias="eventType"
    )


class DatasetEvent(_Event):
    """What is known of a dataset apart from jobs."""

    dataset: Dataset


Event = RunEvent | JobEvent | DatasetEvent


def validated_event(event: Any) -> Event:
    """Check an event against the core schema of OpenLineage 2-0-2.

    An event with `run` and `job` is a RunEvent, one with `job` alone a JobEvent, one with
    `dataset` and not both of the others a DatasetEvent; it is exactly one of the three.

    Args:
        event: the event as parsed from JSON.

    Returns:
        the event, its facets unread.

    Raises:
        Invalid: LINEAGE_EVENT_INVALID; `fields` holds each member that is wrong.
    """
    if not isinstance(event, Mapping):
        raise _invalid([FieldProblem("", "must be a JSON object")])
    if "run" in event and ("job" in event or "dataset" not in event):
        return _checked(RunEvent, event)
    if "job" in event and "dataset" in event:
        message = "must not stand beside 'job' without 'run': send a JobEvent or a DatasetEvent"
        raise _invalid([FieldProblem("dataset", message)])
    if "dataset" in event:
        return _checked(DatasetEvent, event)
    if "job" in event:
        return _checked(JobEvent, event)
    message = (
        "is missing: a RunEvent has 'run' and 'job', a JobEvent 'job', a DatasetEvent 'dataset'"
    )
    raise _invalid([FieldProblem("job", message)])


class DatasetName(NamedTuple):
    """How OpenLineage names a dataset."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class ColumnEdge:
    """A field of a dataset that another is made from, as an event tells it.

    `target_field` is empty where the source decides the rows of the whole target. `subtype` is
    empty where it is not told. `job` is empty for a DatasetEvent, `run` for all but a RunEvent.
    """

    source: DatasetName
    source_field: str
    target: DatasetName
    target_field: str
    kind: str
    subtype: str
    masking: bool = False
    job: DatasetName | None = None
    run: str | None = None


class _Transformation(_Part):
    type: str
    subtype: str = ""
    description: str = ""
    masking: StrictBool = False


class _InputField(_Part):
    namespace: str
    name: str
    field: str
    transformations: list[_Transformation] = Field(default_factory=list)


class _OutputField(_Part):
    input_fields: list[_InputField] = Field(alias="inputFields")
    # Of versions before 1-1-0: IDENTITY, MASKED or words of the producer's own.
    transformation_type: str | None = Field(default=None, alias="transformationType")


class _ColumnLineage(_Part):
    # Some producers leave `fields` out when they know of none.
    fields: dict[str, _OutputField] | None = None
    dataset: list[_InputField] | None = None


def column_lineage_of(event: Any) -> list[ColumnEdge]:
    """The column lineage that an event tells of the datasets that it writes or describes.

    Args:
        event: the event as parsed from JSON.

    Returns:
        one edge for each transformation of each input field, in the order of the event; none for
        a facet that is marked as deleted.

    Raises:
        Invalid: LINEAGE_EVENT_INVALID, the event or one of its column lineage facets is wrong.
    """
    parsed = validated_event(event)
    if isinstance(parsed, DatasetEvent):
        return list(_edges(parsed.dataset, "dataset", None, None))
    job = DatasetName(parsed.job.namespace, parsed.job.name)
    run = parsed.run.run_id if isinstance(parsed, RunEvent) else None
    return [
        edge
        for place, output in enumerate(parsed.outputs)
        for edge in _edges(output, f"outputs.{place}", job, run)
    ]


def _edges(
    dataset: Dataset, path: str, job: DatasetName | None, run: str | None
) -> Iterator[ColumnEdge]:
    facet = dataset.facets.get("columnLineage")
    if facet is None or facet.deleted:
        return
    told = _checked(_ColumnLineage, facet.model_extra, f"{path}.facets.columnLineage")
    fed = [
        (name, source, source.transformations or [_legacy(output.transformation_type)])
        for name, output in (told.fields or {}).items()
        for source in output.input_fields
    ]
    fed += [
        ("", source, source.transformations or [_Transformation(type="INDIRECT")])
        for source in told.dataset or ()
    ]
    for name, source, steps in fed:
        for step in steps:
            yield ColumnEdge(
                DatasetName(source.namespace, source.name),
                source.field,
                DatasetName(dataset.namespace, dataset.name),
                name,
                step.type,
                step.subtype,
                step.masking,
                job,
                run,
            )


def _legacy(told: str | None) -> _Transformation:
    """The step of an input field that lists none."""
    if told == "IDENTITY":
        return _Transformation(type="DIRECT", subtype="IDENTITY")
    if told == "MASKED":
        return _Transformation(type="DIRECT", subtype="TRANSFORMATION", masking=True)
    return _Transformation(type="DIRECT")


@dataclass(frozen=True, slots=True)
class FieldSource:
    """A column that an output column depends on; `kind` and `subtype` as in the facet."""

    dataset: DatasetName
    field: str
    kind: str
    subtype: str


def run_event(
    job_namespace: str,
    job_name: str,
    run_id: str,
    event_time: datetime,
    *,
    inputs: Sequence[DatasetName],
    output: DatasetName,
    columns: Mapping[str, Sequence[FieldSource]],
    inexact: Collection[str] = (),
    producer: str = PRODUCER,
) -> dict[str, Any]:
    """A COMPLETE event of a run that wrote one dataset.

    Args:
        job_namespace: the namespace of the job.
        job_name: its name there.
        run_id: the run, a UUID.
        event_time: when it ended, with a time zone.
        inputs: what it read; datasets of `columns` that are missing are added.
        output: what it wrote.
        columns: the sources of each output column, in the output's order.
        inexact: output columns whose sources may be more than they depend on.
        producer: the URI of what tells this.

    Returns:
        the event, JSON values only, valid under `validated_event`.

    Raises:
        Invalid: LINEAGE_EVENT_INVALID, an argument does not fit the schema.
    """
    if event_time.tzinfo is None:
        raise _invalid([FieldProblem("eventTime", "must have a time zone")])
    named = [source.dataset for sources in columns.values() for source in sources]
    facet = {
        "_producer": producer,
        "_schemaURL": COLUMN_LINEAGE_URL,
        "fields": {
            column: {"inputFields": _input_fields(sources, INEXACT if column in inexact else "")}
            for column, sources in columns.items()
        },
    }
    event: dict[str, Any] = {
        "eventType": "COMPLETE",
        "eventTime": event_time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "run": {"runId": run_id, "facets": {}},
        "job": {"namespace": job_namespace, "name": job_name, "facets": {}},
        "inputs": [dataset._asdict() for dataset in dict.fromkeys([*inputs, *named])],
        "outputs": [{**output._asdict(), "facets": {"columnLineage": facet}}],
        "producer": producer,
        "schemaURL": f"{SCHEMA_URL}#/$defs/RunEvent",
    }
    validated_event(event)
    return event


def _input_fields(sources: Sequence[FieldSource], description: str) -> list[dict[str, Any]]:
    """The input fields of one column, each once with all its transformations."""
    steps: dict[tuple[DatasetName, str], list[dict[str, str]]] = {}
    for source in sources:
        step = {"type": source.kind, "subtype": source.subtype}
        if description:
            step["description"] = description
        steps.setdefault((source.dataset, source.field), []).append(step)
    return [
        {**dataset._asdict(), "field": field, "transformations": transformations}
        for (dataset, field), transformations in steps.items()
    ]


_Model = TypeVar("_Model", bound=BaseModel)


def _checked(model: type[_Model], value: Any, path: str = "") -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = [
            _problem(detail, path)
            for detail in error.errors(
                include_url=False, include_context=False, include_input=False
            )
        ]
    raise _invalid(problems)


# What pydantic's kinds of error mean to a sender; its own text is not passed on.
_MEANINGS: Final = {
    "missing": "is missing",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "list_type": "must be an array",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "literal_error": "must be START, RUNNING, COMPLETE, ABORT, FAIL or OTHER",
    "date_time": None,
    "uri": None,
    "uuid": None,
}


def _problem(detail: ErrorDetails, path: str) -> FieldProblem:
    field = ".".join(str(step) for step in ([path] if path else []) + list(detail["loc"]))
    meaning = _MEANINGS.get(detail["type"], "is not as the schema of OpenLineage 2-0-2 has it")
    return FieldProblem(field, meaning if meaning is not None else detail["msg"])


def _invalid(problems: Sequence[FieldProblem]) -> Invalid:
    shown = "; ".join(
        f"{problem.field or 'the event'} {problem.message}" for problem in problems[:3]
    )
    message = f"This is not an OpenLineage 2-0-2 event: {shown}."
    return Invalid("LINEAGE_EVENT_INVALID", message, fields=problems)
