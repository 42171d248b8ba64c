"""Runs in DataZone, as OpenLineage run events.

DataZone names a dataset by its namespace, a slash and its name. A table of an asset is named so
that this is the ARN of its Glue table. Needs AWS: whether DataZone joins it with the asset's node.
"""

import json
import uuid
from typing import Any

from meshplane.platform.aws.datazone import DataZone, token_of
from meshplane.platform.aws.place import AwsPlace
from meshplane.services.lineage.ports import DONE, FAILED, WAITING, DatasetName, LineageRun

_PRODUCER = "urn:meshplane:lineage"
_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACET = "https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json"
_OWN_NAMESPACE = "meshplane"
_RUNS = uuid.UUID("5d3c2a1e-8f0b-5c7d-9a46-2b1f0e9d8c7b")


class DataZoneLineage:
    """`LineagePortal` over DataZone.

    Args:
        zone: the mesh's domain there.
    """

    def __init__(self, zone: DataZone) -> None:
        self._zone = zone

    async def post(self, token: str, run: LineageRun) -> str:
        """See `LineagePortal.post`."""
        event = json.dumps(run_event(self._zone.aws.place, run), sort_keys=True)
        posted = await self._zone.aws.call(
            "datazone",
            "post_lineage_event",
            domainIdentifier=await self._zone.domain(),
            event=event.encode(),
            clientToken=token_of("lineage", token, event),
        )
        return str(posted["id"])

    async def state(self, portal_id: str) -> str:
        """See `LineagePortal.state`."""
        event = await self._zone.aws.call(
            "datazone",
            "get_lineage_event",
            domainIdentifier=await self._zone.domain(),
            identifier=portal_id,
        )
        return {"SUCCESS": DONE, "FAILED": FAILED}.get(event["processingStatus"], WAITING)


def run_event(place: AwsPlace, run: LineageRun) -> dict[str, Any]:
    """A run as an OpenLineage RunEvent (2-0-2) with its column lineage.

    Args:
        place: where the Glue tables are.
        run: that has completed.
    """
    output = _dataset(place, run.output)
    fields: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for one in run.columns:
        source = _dataset(place, one.source)
        fields.setdefault(one.column, {"inputFields": []})["inputFields"].append(
            {
                **source,
                "field": one.source_column,
                "transformations": [{"type": one.kind, "subtype": one.subtype}],
            }
        )
    if fields:
        facet = {"_producer": _PRODUCER, "_schemaURL": _FACET, "fields": fields}
        output["facets"] = {"columnLineage": facet}
    return {
        "eventType": "COMPLETE",
        "eventTime": run.at,
        "producer": _PRODUCER,
        "schemaURL": _SCHEMA,
        "run": {"runId": str(uuid.uuid5(_RUNS, run.run_id))},
        "job": {"namespace": _OWN_NAMESPACE, "name": run.job},
        "inputs": [_dataset(place, one) for one in run.inputs],
        "outputs": [output],
    }


def _dataset(place: AwsPlace, name: DatasetName) -> dict[str, Any]:
    if not name.domain:
        return {"namespace": _OWN_NAMESPACE, "name": name.name}
    tables = f"arn:aws:glue:{place.region}:{place.account}:table"
    return {"namespace": tables, "name": f"{name.domain}/{name.name}"}
