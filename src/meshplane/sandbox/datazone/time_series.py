"""Time series on assets and listings: quality scores above all."""

from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.datazone.forms import check_content, read_model
from meshplane.sandbox.datazone.projects import WRITERS
from meshplane.sandbox.datazone.state import Act, Item, missing, page_of
from meshplane.sandbox.datazone.types import version_of

_LONGEST_SUMMARY = 20_000


class TimeSeries:
    """Data points."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "PostTimeSeriesDataPoints": self.post,
            "ListTimeSeriesDataPoints": self.list,
            "GetTimeSeriesDataPoint": self.get,
            "DeleteTimeSeriesDataPoints": self.delete,
        }

    def post(self, act: Act, given: dict[str, Any]) -> Item:
        """Adds points; one of the same form and instant is replaced."""
        key = self._entity(act, given, write=True)
        points = []
        for form in given["forms"]:
            form_type = version_of(
                act, "formType", "Form type", form["typeIdentifier"], form.get("typeRevision")
            )
            model = read_model(form_type["name"], form_type["model"]["smithy"])
            check_content(form["formName"], model, form.get("content"))
            points.append(
                {
                    **form,
                    "typeRevision": form_type["revision"],
                    "content": form.get("content") or "{}",
                    "id": act.state.new_id(),
                    "_entity": key,
                }
            )
        shelf = act.domain.shelf("point")
        for point in points:
            for known in shelf.all():
                same = ("_entity", "formName", "timestamp")
                if all(known[name] == point[name] for name in same):
                    point["id"] = known["id"]
            shelf.put(point["id"], point)
        return {
            "domainId": act.domain_id,
            "entityId": given["entityIdentifier"],
            "entityType": given["entityType"],
            "forms": points,
        }

    def list(self, act: Act, given: dict[str, Any]) -> Item:
        """The points of a form, latest first."""
        key = self._entity(act, given)
        found = [
            {**one, "contentSummary": one["content"][:_LONGEST_SUMMARY]}
            for one in act.domain.shelf("point").listed()
            if (one["_entity"], one["formName"]) == (key, given["formName"])
            and given.get("startedAt", one["timestamp"]) <= one["timestamp"]
            and given.get("endedAt", one["timestamp"]) >= one["timestamp"]
        ]
        found.sort(key=lambda one: one["timestamp"], reverse=True)
        return page_of(found, given)

    def get(self, act: Act, given: dict[str, Any]) -> Item:
        """A point with all that it says."""
        key = self._entity(act, given)
        point = act.domain.find("point", "Data point", given["identifier"])
        if (point["_entity"], point["formName"]) != (key, given["formName"]):
            raise missing("Data point", given["identifier"])
        return {
            "domainId": act.domain_id,
            "entityId": given["entityIdentifier"],
            "entityType": given["entityType"],
            "formName": given["formName"],
            "form": point,
        }

    def delete(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes all points of a form away."""
        key = self._entity(act, given, write=True)
        for one in act.domain.shelf("point").all():
            if (one["_entity"], one["formName"]) == (key, given["formName"]):
                act.domain.shelf("point").remove(one["id"])
        return {}

    def _entity(self, act: Act, given: Item, *, write: bool = False) -> tuple[str, str]:
        identifier = given["entityIdentifier"]
        if given["entityType"] == "ASSET":
            project = act.domain.find("asset", "Asset", identifier)["owningProjectId"]
        else:
            project = act.domain.find("listing", "Listing", identifier)["_project"]
        if write:
            act.demand(project, *WRITERS)
        return given["entityType"], identifier
