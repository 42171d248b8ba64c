"""Rulesets, their evaluation runs, and results.

A run goes STARTING, RUNNING, SUCCEEDED as it is asked for, and reads the table as its role: what
Lake Formation hides from that is not evaluated, and a table it may not read at all fails the run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from meshplane.sandbox.fake import Caller, FakeError, Handler, World
from meshplane.sandbox.glue_quality.dqdl import InvalidRuleset, parse
from meshplane.sandbox.glue_quality.evaluation import evaluate
from meshplane.sandbox.glue_quality.rules import Rule
from meshplane.sandbox.glue_quality.sources import RunFailed, Sources, table_named
from meshplane.sandbox.lake_state import table_of

_ENDED = frozenset({"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT"})
_MOST_LISTED = 100


@dataclass
class _Run:
    number: str
    given: dict[str, Any]
    caller: Caller
    started: datetime
    changed: datetime
    status: str = "STARTING"
    polls: int = 0
    ended: datetime | None = None
    error: str | None = None
    results: list[str] = field(default_factory=list)


class Rulesets:
    """Data quality rulesets of all accounts.

    Args:
        world: what fakes share. Of `services["lakeformation"]`, if it is there, `access` is asked.
        polls_before_end: how often a run is told of before it ends.
    """

    def __init__(self, world: World, polls_before_end: int = 1) -> None:
        self.polls_before_end = polls_before_end
        self._world = world
        self._sources = Sources(world)
        self._rulesets: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self._runs: dict[tuple[str, str], dict[str, _Run]] = {}
        self._results: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self.handlers: Mapping[str, Handler] = {
            "CreateDataQualityRuleset": self._create,
            "GetDataQualityRuleset": self._get,
            "UpdateDataQualityRuleset": self._update,
            "DeleteDataQualityRuleset": self._delete,
            "ListDataQualityRulesets": self._list,
            "StartDataQualityRulesetEvaluationRun": self._start,
            "GetDataQualityRulesetEvaluationRun": self._get_run,
            "CancelDataQualityRulesetEvaluationRun": self._cancel_run,
            "ListDataQualityRulesetEvaluationRuns": self._list_runs,
            "GetDataQualityResult": self._get_result,
            "BatchGetDataQualityResult": self._batch_get_results,
            "ListDataQualityResults": self._list_results,
        }

    # Rulesets

    def _of(self, caller: Caller) -> dict[str, dict[str, Any]]:
        return self._rulesets.setdefault((caller.account, caller.region), {})

    def _ruleset(self, caller: Caller, name: str) -> dict[str, Any]:
        found = self._of(caller).get(name)
        if found is None:
            raise FakeError(
                "EntityNotFoundException", f"Data quality ruleset {name} was not found."
            )
        return found

    def _create(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        name, token = parameters["Name"], parameters.get("ClientToken")
        known = self._of(caller).get(name)
        if known is not None:
            if token is not None and known["given"] == parameters:
                return {"Name": name}
            raise FakeError("AlreadyExistsException", f"Another ruleset has the name {name}.")
        _rules(parameters["Ruleset"])
        now = self._world.clock.now()
        self._of(caller)[name] = {
            "given": dict(parameters),
            "Name": name,
            "Description": parameters.get("Description", ""),
            "Ruleset": parameters["Ruleset"],
            "TargetTable": parameters.get("TargetTable"),
            "CreatedOn": now,
            "LastModifiedOn": now,
        }
        return {"Name": name}

    def _get(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        found = self._ruleset(caller, parameters["Name"])
        return {key: value for key, value in found.items() if key != "given"}

    def _update(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        found = self._ruleset(caller, parameters["Name"])
        if "Ruleset" in parameters:
            _rules(parameters["Ruleset"])
        for key in ("Ruleset", "Description"):
            found[key] = parameters.get(key, found[key])
        found["LastModifiedOn"] = self._world.clock.now()
        return {key: found[key] for key in ("Name", "Description", "Ruleset")}

    def _delete(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        self._ruleset(caller, parameters["Name"])
        del self._of(caller)[parameters["Name"]]
        return {}

    def _list(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        wanted = parameters.get("Filter", {})
        found = [
            {
                **{key: one[key] for key in ("Name", "Description", "CreatedOn", "LastModifiedOn")},
                "TargetTable": one["TargetTable"],
                "RuleCount": len(_rules(one["Ruleset"])),
            }
            for _, one in sorted(self._of(caller).items())
            if wanted.get("Name", one["Name"]) == one["Name"]
            and _within(wanted, "Created", one["CreatedOn"])
            and _within(wanted, "LastModified", one["LastModifiedOn"])
            and _same_table(wanted.get("TargetTable"), one["TargetTable"])
        ]
        page, more = _page(found, parameters)
        return {"Rulesets": page, **more}

    # Runs

    def _runs_of(self, caller: Caller) -> dict[str, _Run]:
        return self._runs.setdefault((caller.account, caller.region), {})

    def _start(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        token = parameters.get("ClientToken")
        for earlier in self._runs_of(caller).values():
            if token is not None and earlier.given.get("ClientToken") == token:
                if earlier.given != parameters:
                    raise FakeError("ConflictException", "ClientToken was used with other input")
                return {"RunId": earlier.number}
        for name in parameters["RulesetNames"]:
            self._ruleset(caller, name)
        _table(caller, table_named(parameters["DataSource"]))
        number = f"dqrun-{self._world.number('glue-quality-run'):032x}"
        now = self._world.clock.now()
        self._runs_of(caller)[number] = _Run(number, dict(parameters), caller, now, now)
        return {"RunId": number}

    def _run(self, caller: Caller, number: str) -> _Run:
        found = self._runs_of(caller).get(number)
        if found is None:
            raise FakeError("EntityNotFoundException", f"Run {number} was not found.")
        return found

    def _get_run(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        run = self._run(caller, parameters["RunId"])
        self._poll(run)
        shown: dict[str, Any] = {
            "RunId": run.number,
            "Status": run.status,
            "StartedOn": run.started,
            "LastModifiedOn": run.changed,
            "ExecutionTime": 0,
            **{
                key: run.given[key]
                for key in (
                    "DataSource",
                    "Role",
                    "NumberOfWorkers",
                    "Timeout",
                    "AdditionalRunOptions",
                    "RulesetNames",
                    "AdditionalDataSources",
                )
                if key in run.given
            },
        }
        if run.ended is not None:
            shown["CompletedOn"] = run.ended
        if run.error is not None:
            shown["ErrorString"] = run.error
        if run.results:
            shown["ResultIds"] = run.results
        return shown

    def _cancel_run(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        run = self._run(caller, parameters["RunId"])
        if run.status in _ENDED:
            raise FakeError("InvalidInputException", f"Run {run.number} has ended already.")
        run.status, run.ended = "STOPPED", self._world.clock.now()
        return {}

    def _list_runs(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        wanted = parameters.get("Filter", {})
        found = [
            {
                "RunId": run.number,
                "Status": run.status,
                "StartedOn": run.started,
                "DataSource": run.given["DataSource"],
            }
            for run in reversed(self._runs_of(caller).values())
            if _sametable_named(wanted.get("DataSource"), run.given["DataSource"])
        ]
        page, more = _page(found, parameters)
        return {"Runs": page, **more}

    def _poll(self, run: _Run) -> None:
        if run.status in _ENDED:
            return
        run.polls += 1
        run.changed = self._world.clock.now()
        if run.polls <= self.polls_before_end:
            run.status = "RUNNING"
            return
        run.status = "SUCCEEDED"
        try:
            run.results = self._evaluate(run)
        except RunFailed as error:
            run.status, run.error = "FAILED", str(error)
        run.ended = self._world.clock.now()

    def _evaluate(self, run: _Run) -> list[str]:
        reader = _as_role(run.caller, run.given["Role"])
        numbers = []
        with duckdb.connect(":memory:", config={"enable_external_access": "false"}) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET python_enable_replacements = false")
            connection.execute("SET threads = 1")
            sources = {"": run.given["DataSource"], **run.given.get("AdditionalDataSources", {})}
            tables = {
                alias.lower(): self._sources.measured(
                    reader, connection, f"source {number}", source
                )
                for number, (alias, source) in enumerate(sources.items())
            }
            primary = tables.pop("")
            for name in run.given["RulesetNames"]:
                known = self._of(run.caller).get(name)
                if known is None:
                    raise RunFailed(f"EntityNotFoundException: ruleset {name} was not found")
                rules = _rules(known["Ruleset"])
                outcomes = [
                    evaluate(rule, primary, tables, number) for number, rule in enumerate(rules, 1)
                ]
                numbers.append(self._keep(run, name, outcomes))
        return numbers

    def _keep(self, run: _Run, name: str, outcomes: list[dict[str, Any]]) -> str:
        number = f"dqresult-{self._world.number('glue-quality-result'):032x}"
        passed = sum(one["Result"] == "PASS" for one in outcomes)
        home = (run.caller.account, run.caller.region)
        self._results.setdefault(home, {})[number] = {
            "ResultId": number,
            "Score": passed / len(outcomes),
            "DataSource": run.given["DataSource"],
            "RulesetName": name,
            "StartedOn": run.started,
            "CompletedOn": self._world.clock.now(),
            "RulesetEvaluationRunId": run.number,
            "RuleResults": outcomes,
        }
        return number

    # Results

    def _results_of(self, caller: Caller) -> dict[str, dict[str, Any]]:
        return self._results.setdefault((caller.account, caller.region), {})

    def _get_result(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        found = self._results_of(caller).get(parameters["ResultId"])
        if found is None:
            raise FakeError(
                "EntityNotFoundException", f"Result {parameters['ResultId']} was not found."
            )
        return found

    def _batch_get_results(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        known, wanted = self._results_of(caller), parameters["ResultIds"]
        lacking = [number for number in wanted if number not in known]
        found = [known[number] for number in wanted if number in known]
        return {"Results": found, **({"ResultsNotFound": lacking} if lacking else {})}

    def _list_results(self, caller: Caller, parameters: dict[str, Any]) -> dict[str, Any]:
        wanted = parameters.get("Filter", {})
        found = [
            {key: one[key] for key in ("ResultId", "DataSource", "StartedOn")}
            for one in reversed(self._results_of(caller).values())
            if _sametable_named(wanted.get("DataSource"), one["DataSource"])
        ]
        page, more = _page(found, parameters)
        return {"Results": page, **more}


def _rules(text: str) -> tuple[Rule, ...]:
    try:
        return parse(text)
    except InvalidRuleset as error:
        raise FakeError("InvalidInputException", f"DQDL is not valid: {error}") from error


def _table(caller: Caller, place: dict[str, Any]) -> dict[str, Any]:
    account = place.get("CatalogId", caller.account)
    database, name = place["DatabaseName"].lower(), place["TableName"].lower()
    found = table_of(account, caller.region, database, name)
    if found is None:
        raise FakeError("EntityNotFoundException", f"Table {name} was not found.")
    return found


def _as_role(caller: Caller, role: str) -> Caller:
    arn = role if role.startswith("arn:") else f"arn:aws:iam::{caller.account}:role/{role}"
    return Caller(caller.account, caller.region, arn, arn, caller.access_key)


def _same_table(wanted: dict[str, str] | None, found: dict[str, str] | None) -> bool:
    keys = ("DatabaseName", "TableName")
    return wanted is None or (
        found is not None and all(wanted[key].lower() == found[key].lower() for key in keys)
    )


def _sametable_named(wanted: dict[str, Any] | None, found: dict[str, Any]) -> bool:
    return wanted is None or _same_table(table_named(wanted), table_named(found))


def _within(wanted: dict[str, Any], what: str, instant: datetime) -> bool:
    """Whether an instant is between those of a filter, such as `StartedAfter`."""
    before, after = wanted.get(f"{what}Before"), wanted.get(f"{what}After")
    return (before is None or instant < before) and (after is None or instant > after)


def _page(items: list[Any], parameters: dict[str, Any]) -> tuple[list[Any], dict[str, str]]:
    token = parameters.get("NextToken") or "0"
    if not token.isdigit():
        raise FakeError("InvalidInputException", "Invalid NextToken")
    start = int(token)
    end = start + (parameters.get("MaxResults") or _MOST_LISTED)
    return items[start:end], {"NextToken": str(end)} if end < len(items) else {}
