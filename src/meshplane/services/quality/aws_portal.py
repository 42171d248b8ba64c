"""Quality scores in DataZone: a time series on each asset, in the system's own form."""

import json
from collections.abc import Sequence
from typing import Any

from meshplane.kit.clock import from_text, to_text
from meshplane.platform.aws.datazone import DataZone, token_of
from meshplane.services.quality.ports import ScorePoint

_FORM_TYPE = "amazon.datazone.DataQualityResultFormType"
_SERIES = "meshplane"
_MOST_RULES = 100
"""How many rules of a run DataZone shows for an asset."""


class DataZoneQuality:
    """`QualityPortal` over DataZone.

    Args:
        zone: the mesh's domain there.
    """

    def __init__(self, zone: DataZone) -> None:
        self._zone = zone

    async def post(self, asset: str, point: ScorePoint) -> None:
        """See `QualityPortal.post`."""
        content = json.dumps(_content(point), ensure_ascii=False)
        await self._zone.aws.call(
            "datazone",
            "post_time_series_data_points",
            domainIdentifier=await self._zone.domain(),
            entityIdentifier=asset,
            entityType="ASSET",
            forms=[
                {
                    "formName": _SERIES,
                    "typeIdentifier": _FORM_TYPE,
                    "timestamp": from_text(point.at),
                    "content": content,
                }
            ],
            clientToken=token_of("quality", asset, point.run_id, point.at, content),
        )

    async def points(self, asset: str) -> Sequence[tuple[str, float]]:
        """See `QualityPortal.points`."""
        found: list[tuple[str, float]] = []
        pages = self._zone.aws.pages(
            "datazone",
            "list_time_series_data_points",
            domainIdentifier=await self._zone.domain(),
            entityIdentifier=asset,
            entityType="ASSET",
            formName=_SERIES,
        )
        async for page in pages:
            for item in page["items"]:
                content = await self._content_of(asset, item)
                found.append((to_text(item["timestamp"]), float(content["passingPercentage"])))
        return sorted(found, reverse=True)

    async def _content_of(self, asset: str, item: dict[str, Any]) -> dict[str, Any]:
        """What a point says; a list shows the beginning of a long one alone."""
        try:
            content = json.loads(item.get("contentSummary", ""))
        except ValueError:
            point = await self._zone.aws.call(
                "datazone",
                "get_time_series_data_point",
                domainIdentifier=await self._zone.domain(),
                entityIdentifier=asset,
                entityType="ASSET",
                formName=_SERIES,
                identifier=item["id"],
            )
            content = json.loads(point["form"]["content"])
        return dict(content)


def _content(point: ScorePoint) -> dict[str, object]:
    """The form's content, as AWS's guide shows it."""
    return {
        "evaluations": [
            {
                "types": [one.rule.partition(" ")[0]],
                "description": one.rule,
                "details": {"EVALUATION_MESSAGE": one.message} if one.message else {},
                "applicableFields": [],
                "status": "PASS" if one.outcome == "PASS" else "FAIL",
            }
            for one in point.rules[:_MOST_RULES]
        ],
        "passingPercentage": round(point.percentage, 4),
        "evaluationsCount": len(point.rules),
    }
