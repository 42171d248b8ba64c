"""Data sources that import Glue tables into a project's inventory."""

import fnmatch
import json
from collections.abc import Mapping
from typing import Any

from meshplane.sandbox.datazone.assets import Assets
from meshplane.sandbox.datazone.listings import Listings
from meshplane.sandbox.datazone.projects import WRITERS
from meshplane.sandbox.datazone.state import Act, Item, conflict, in_order, invalid, page_of

_TYPE, _FORM = "amazon.datazone.GlueTableAssetType", "amazon.datazone.GlueTableFormType"


class DataSources:
    """Data sources of type GLUE and their runs."""

    @property
    def handlers(self) -> Mapping[str, Any]:
        """By operation."""
        return {
            "CreateDataSource": self.create,
            "GetDataSource": self.get,
            "ListDataSources": self.list,
            "DeleteDataSource": self.delete,
            "StartDataSourceRun": self.run,
            "GetDataSourceRun": self.get_run,
            "ListDataSourceRuns": self.runs,
            "ListDataSourceRunActivities": self.activities,
        }

    def create(self, act: Act, given: dict[str, Any]) -> Item:
        """A data source; only of Glue here."""
        project = given["projectIdentifier"]
        act.domain.find("project", "Project", project)
        act.demand(project, *WRITERS)
        configuration = given.get("configuration", {}).get("glueRunConfiguration")
        if given["type"] != "GLUE" or configuration is None:
            raise invalid("Only data sources of type GLUE with a glueRunConfiguration run here.")
        if any(
            (one["projectId"], one["name"]) == (project, given["name"])
            for one in act.domain.shelf("dataSource").all()
        ):
            raise conflict(f"The project has a data source {given['name']}.")
        account = {
            "accountId": act.domain.item["_account"],
            "region": act.domain.item["_region"],
        }
        names = ("name", "type", "description", "schedule", "recommendation")
        item = {
            **act.made(),
            **{name: given.get(name) for name in names},
            "id": act.state.new_id(),
            "projectId": project,
            "environmentId": given.get("environmentIdentifier"),
            "configuration": {"glueRunConfiguration": {**configuration, **account}},
            "enableSetting": given.get("enableSetting", "ENABLED"),
            "publishOnImport": given.get("publishOnImport", False),
            "status": "READY",
        }
        item["dataSourceId"] = item["id"]
        return act.domain.shelf("dataSource").put(item["id"], item)

    def get(self, act: Act, given: dict[str, Any]) -> Item:
        """A data source by id."""
        return act.domain.find("dataSource", "Data source", given["identifier"])

    def list(self, act: Act, given: dict[str, Any]) -> Item:
        """The data sources of a project."""
        found = [
            one
            for one in act.domain.shelf("dataSource").listed()
            if one["projectId"] == given["projectIdentifier"]
            and given.get("name", one["name"]) == one["name"]
        ]
        return page_of(found, given)

    def delete(self, act: Act, given: dict[str, Any]) -> Item:
        """Takes a data source away; what it imported stays."""
        item = self.get(act, given)
        act.demand(item["projectId"], *WRITERS)
        act.domain.shelf("dataSource").remove(item["id"])
        return {**item, "status": "DELETING"}

    def run(self, act: Act, given: dict[str, Any]) -> Item:
        """Imports the tables that the data source chooses."""
        source = act.domain.find("dataSource", "Data source", given["dataSourceIdentifier"])
        act.demand(source["projectId"], *WRITERS)
        run_id, made = act.state.new_id(), act.made()
        counts = dict.fromkeys(("added", "updated", "unchanged", "skipped", "failed"), 0)
        told = {"dataSourceId": source["id"], "name": source["name"]}
        glue = source["configuration"]["glueRunConfiguration"]
        for database, table in _tables(glue):
            status, asset_id = self._import(act, source, database, table)
            counts[status[0]] += 1
            activity = {
                **made,
                "database": database,
                "technicalName": table["Name"],
                "dataSourceRunId": run_id,
                "dataAssetStatus": status[1],
                "dataAssetId": asset_id,
                "projectId": source["projectId"],
            }
            act.domain.shelf("activity").put(f"{run_id}#{database}.{table['Name']}", activity)
        run = {
            **made,
            "id": run_id,
            "dataSourceId": source["id"],
            "projectId": source["projectId"],
            "status": "SUCCESS",
            "type": "PRIORITIZED",
            "runStatisticsForAssets": counts,
            "startedAt": act.now(),
            "stoppedAt": act.now(),
        }
        act.domain.shelf("dataSourceRun").put(run_id, run)
        act.tell("Data Source Run Triggered", "DataSourceRunEntityType", run,
                 source["projectId"], told)  # fmt: skip
        act.tell("Data Source Run Succeeded", "DataSourceRunEntityType", run,
                 source["projectId"], told)  # fmt: skip
        return {**run, "status": "REQUESTED"}

    def get_run(self, act: Act, given: dict[str, Any]) -> Item:
        """A run by id."""
        return act.domain.find("dataSourceRun", "Data source run", given["identifier"])

    def runs(self, act: Act, given: dict[str, Any]) -> Item:
        """The runs of a data source, latest first."""
        found = [
            one
            for one in act.domain.shelf("dataSourceRun").listed()
            if one["dataSourceId"] == given["dataSourceIdentifier"]
        ]
        return page_of(in_order(found, given), given)

    def activities(self, act: Act, given: dict[str, Any]) -> Item:
        """What a run did with each table."""
        found = [
            one
            for one in act.domain.shelf("activity").listed()
            if one["dataSourceRunId"] == given["identifier"]
            and given.get("status", one["dataAssetStatus"]) == one["dataAssetStatus"]
        ]
        return page_of(found, given)

    def _import(
        self, act: Act, source: Item, database: str, table: Item
    ) -> tuple[tuple[str, str], str]:
        glue = source["configuration"]["glueRunConfiguration"]
        place = f"{glue['region']}:{glue['accountId']}:table/{database}/{table['Name']}"
        arn = f"arn:aws:glue:{place}"
        descriptor = table.get("StorageDescriptor", {})
        content = json.dumps(
            {
                "tableName": table["Name"],
                "databaseName": database,
                "catalogId": glue["accountId"],
                "region": glue["region"],
                "tableArn": arn,
                "columns": [
                    {"columnName": one["Name"], "dataType": one.get("Type", "string")}
                    for one in descriptor.get("Columns", ())
                ],
            }
        )
        forms = [{"formName": "GlueTableForm", "typeIdentifier": _FORM, "content": content}]
        said = {"name": table["Name"], "formsInput": forms}
        known = next(
            (
                one
                for one in act.domain.shelf("asset").all()
                if one.get("externalIdentifier") == arn
            ),
            None,
        )
        if known is not None:
            if known["formsOutput"][0]["content"] == content:
                return ("unchanged", "UNCHANGED"), known["id"]
            Assets().revise(act, {**said, "identifier": known["id"]})
            outcome, asset_id = ("updated", "SUCCEEDED_UPDATED"), str(known["id"])
        else:
            owner = {"owningProjectIdentifier": source["projectId"], "typeIdentifier": _TYPE}
            asset = Assets().create(act, {**said, **owner, "externalIdentifier": arn})
            outcome, asset_id = ("added", "SUCCEEDED_CREATED"), str(asset["id"])
        if source["publishOnImport"]:
            change = {"entityType": "ASSET", "entityIdentifier": asset_id, "action": "PUBLISH"}
            Listings().change(act, change)
        return outcome, asset_id


def _tables(glue: Item) -> list[tuple[str, Item]]:
    """The Glue tables that filter expressions choose: included, and not excluded."""
    from moto.backends import get_backend

    backend = get_backend("glue")[glue["accountId"]][glue["region"]]
    found = []
    for choice in glue["relationalFilterConfigurations"]:
        database = backend.databases.get(choice["databaseName"])
        expressions = choice.get("filterExpressions") or [{"type": "INCLUDE", "expression": "*"}]
        for name, table in sorted(database.tables.items()) if database else ():
            kinds = {
                one["type"] for one in expressions if fnmatch.fnmatchcase(name, one["expression"])
            }
            if "INCLUDE" in kinds and "EXCLUDE" not in kinds:
                found.append((choice["databaseName"], table.as_dict()))
    return found
