"""Which services are faked, and by what."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from meshplane.sandbox.fake import World

Factory = Callable[[World], Any]

# Each is imported when a sandbox starts.
_PLACES = (
    "meshplane.sandbox.lakeformation:LakeFormationFake",
    "meshplane.sandbox.ram:RamFake",
    "meshplane.sandbox.datazone:DataZoneFake",
    "meshplane.sandbox.athena:AthenaFake",
    "meshplane.sandbox.redshift_data:RedshiftDataFake",
    "meshplane.sandbox.glue_quality:GlueQualityFake",
)

# Services of which a fake answers what it has a handler for, and moto all else.
OVERLAID = frozenset({"glue", "stepfunctions", "sts"})


def factories() -> Mapping[str, Factory]:
    """The fakes that there are, by the last part of their module's name."""
    found: dict[str, Factory] = {}
    for place in _PLACES:
        module, _, name = place.partition(":")
        found[module.rpartition(".")[2]] = getattr(import_module(module), name)
    return found
