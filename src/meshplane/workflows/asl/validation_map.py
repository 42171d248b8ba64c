"""The fields that only a Map state has."""

import re
from typing import Any

from meshplane.workflows.asl import validation_expressions as dynamic
from meshplane.workflows.asl import validation_values as values
from meshplane.workflows.asl.validation_fields import Fields, check_fields, check_one_of
from meshplane.workflows.asl.validation_report import INVALID_LABEL, Place, listed
from meshplane.workflows.asl.validation_scopes import Scope
from meshplane.workflows.asl.validation_values import JSONATA

LONGEST_LABEL_CHARACTERS = 40
# The developer guide: no white space, wildcards, brackets, these signs, or control characters.
_NOT_IN_LABELS = re.compile(r"""[\s?*<>{}\[\]:;,\\|^~$#%&`"\x00-\x1f\x7f-\x9f\ud800-\udfff]""")
_DISTRIBUTED_ONLY = ("ItemReader", "ItemBatcher", "ResultWriter", "Label")

_READER = Fields(
    {"Resource": values.text, "ReaderConfig": values.an_object},
    {"Parameters": dynamic.template},
    {"Arguments": dynamic.jsonata_value},
)
_WRITER = Fields(
    {"Resource": values.text, "WriterConfig": values.an_object},
    {"Parameters": dynamic.template},
    {"Arguments": dynamic.jsonata_value},
)
_BATCHER = Fields(
    {
        "MaxItemsPerBatch": values.whole(1),
        "MaxInputBytesPerBatch": values.whole(1, 262_144),
    },
    {
        "MaxItemsPerBatchPath": values.reference_to_data,
        "MaxInputBytesPerBatchPath": values.reference_to_data,
        "BatchInput": dynamic.template,
    },
    {"BatchInput": dynamic.jsonata_value},
)


def check_map(scope: Scope, place: Place, value: dict[str, Any], language: str) -> None:
    """Tells what is wrong with a Map state beyond the kinds of its fields."""
    if not check_one_of(place, value, "ItemProcessor", "Iterator"):
        place.error('A Map state needs the field "ItemProcessor" with StartAt and States.')
    if language != JSONATA:
        check_one_of(place, value, "ItemSelector", "Parameters")
        for name in ("MaxConcurrency", "ToleratedFailureCount", "ToleratedFailurePercentage"):
            check_one_of(place, value, name, f"{name}Path")
    if "Label" in value:
        _check_label(place.at("Label"), value["Label"])
    _check_reader(place, value, language)
    _check_batcher(place, value, language)
    if "ResultWriter" in value:
        _check_object(place.at("ResultWriter"), value["ResultWriter"], _WRITER, language)
    _check_mode(scope, place, value)


def _check_label(place: Place, label: Any) -> None:
    if not isinstance(label, str):
        place.error("must be a string.", INVALID_LABEL)
    elif not label:
        place.error("Label cannot be empty; leave it out to have one made.", INVALID_LABEL)
    elif len(label) > LONGEST_LABEL_CHARACTERS:
        place.error(f"Label cannot exceed {LONGEST_LABEL_CHARACTERS} characters", INVALID_LABEL)
    elif wrong := _NOT_IN_LABELS.search(label):
        place.error(f"Label contains invalid character: {wrong[0]!r}", INVALID_LABEL)


def _check_object(place: Place, value: Any, fields: Fields, language: str) -> bool:
    if not isinstance(value, dict):
        place.error("must be a JSON object.")
        return False
    check_fields(place, value, fields, language, "part of this")
    return True


def _check_reader(place: Place, value: dict[str, Any], language: str) -> None:
    if "ItemReader" not in value:
        return
    reader, where = value["ItemReader"], place.at("ItemReader")
    if not _check_object(where, reader, _READER, language):
        return
    if "Resource" not in reader:
        where.error("The field 'Resource' is required but was missing")
    config = reader.get("ReaderConfig")
    if isinstance(config, dict):
        below = where.at("ReaderConfig")
        check_one_of(below, config, "MaxItems", "MaxItemsPath")
        if "MaxItems" in config:
            values.whole(0)(below.at("MaxItems"), config["MaxItems"], language)


def _check_batcher(place: Place, value: dict[str, Any], language: str) -> None:
    if "ItemBatcher" not in value:
        return
    batcher, where = value["ItemBatcher"], place.at("ItemBatcher")
    if not _check_object(where, batcher, _BATCHER, language):
        return
    limits = ["MaxItemsPerBatch", "MaxInputBytesPerBatch"]
    given = [check_one_of(where, batcher, name, f"{name}Path") for name in limits]
    if not any(given):
        where.error(f"An ItemBatcher needs at least one of {listed(limits)}.")


def _check_mode(scope: Scope, place: Place, value: dict[str, Any]) -> None:
    name = "ItemProcessor" if "ItemProcessor" in value else "Iterator"
    processor = value.get(name)
    config = processor.get("ProcessorConfig", {}) if isinstance(processor, dict) else {}
    where = place.at(name, "ProcessorConfig")
    if not isinstance(config, dict):
        where.error("must be a JSON object.")
        return
    for key, each in config.items():
        if key == "Mode":
            values.one_of("INLINE", "DISTRIBUTED")(where.at(key), each, "")
        elif key == "ExecutionType":
            values.one_of("STANDARD", "EXPRESS")(where.at(key), each, "")
        else:
            where.at(key).error("is not supported here; only Mode and ExecutionType are.")
    if config.get("Mode") == "DISTRIBUTED":
        if scope.express:
            where.at("Mode").error("Express state machine does not support Distributed Map")
        if "ExecutionType" not in config:
            where.warn(
                "AWS_REFUSES_WITHOUT_EXECUTION_TYPE",
                "Step Functions wants an ExecutionType, STANDARD or EXPRESS, beside DISTRIBUTED.",
            )
        return
    for name in _DISTRIBUTED_ONLY:
        if name in value:
            place.at(name).warn(
                "DISTRIBUTED_ONLY_FIELD",
                f'"{name}" works only when the ProcessorConfig has "Mode": "DISTRIBUTED".',
            )
