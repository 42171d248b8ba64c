"""`meshplane quality`: runs a data product's rules and shows its score."""

import time
from typing import Annotated, Any

import typer

from meshplane.cli import present, resolve
from meshplane.cli.session import Session, connected
from meshplane.kit.errors import Unavailable

app = typer.Typer(no_args_is_help=True, help="Data quality: rules, runs and scores.")

_LONGEST_WAIT_SECONDS = 7_500.0
_PAUSE_SECONDS = 2.0

Name = Annotated[str, typer.Argument(help="The data product: aviation.flights, or its id.")]


def _measured(rule: present.Item) -> str:
    """The measures by their last name (`Column.dep_time.Completeness`), then what went wrong."""
    measures = [
        f"{name.rpartition('.')[2]} {present.text_of(value)}"
        for name, value in rule["metrics"].items()
    ]
    return "; ".join([*measures, *filter(None, [rule["message"]])])


_RULES: present.Columns = (
    ("Rule", "rule"),
    ("Outcome", "outcome"),
    ("Measured", _measured),
)
_RUNS: present.Columns = (
    ("Started", lambda run: present.moment(run["startedAt"])),
    ("Status", "status"),
    ("Score", "score"),
    ("Passed", lambda run: f"{run['rulesPassed']} of {run['rulesTotal']}"),
    ("Run", "runId"),
)


@app.command()
@connected
def run(session: Session, name: Name) -> None:
    """Runs the ruleset of a data product. Exit code 1 when a rule does not hold.

    A run that takes long goes on after the answer, and is waited for. Ctrl-C ends the waiting, not
    the run.
    """
    asset_id = resolve.asset_id(session.api, name)
    outcome = session.api.post("/data-quality/run", {"assetId": asset_id}, key=session.key())
    outcome = _ended(session, outcome)
    session.show(
        outcome,
        lambda: present.stacked(
            present.listing(outcome["rules"], _RULES, nothing="No rules."),
            _summary(outcome),
        ),
    )
    if outcome["status"] != "completed" or outcome["rulesPassed"] < outcome["rulesTotal"]:
        raise typer.Exit(1)


def _ended(session: Session, outcome: dict[str, Any]) -> dict[str, Any]:
    """The run once it has ended.

    Raises:
        Unavailable: QUALITY_RUN_SLOW.
    """
    give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
    while outcome["status"] == "running":
        if time.monotonic() > give_up:
            raise Unavailable(
                "QUALITY_RUN_SLOW", f"{outcome['runId']} goes on; look at it again later."
            )
        time.sleep(_PAUSE_SECONDS)
        outcome = session.api.get(f"/data-quality/runs/{outcome['runId']}")
    return outcome


def _summary(outcome: dict[str, Any]) -> str:
    if outcome["status"] != "completed":
        return present.escaped(f"The run {outcome['status']}: {outcome['statusReason']}")
    return (
        f"{outcome['rulesPassed']} of {outcome['rulesTotal']} passed: "
        f"score {present.text_of(outcome['score'])}"
    )


@app.command()
@connected
def cancel(
    session: Session, run_id: Annotated[str, typer.Argument(help="The run: dqrun-….")]
) -> None:
    """Ends a run that goes on."""
    ended = session.api.post(f"/data-quality/runs/{run_id}/cancel", key=session.key())
    session.show(ended, lambda: _summary(ended))


@app.command()
@connected
def show(session: Session, name: Name) -> None:
    """Shows the runs of a data product's rules, and its score."""
    asset_id = resolve.asset_id(session.api, name)
    items = list(session.api.items("/data-quality/runs", assetId=asset_id))
    session.show(
        {"items": items}, lambda: present.listing(items, _RUNS, nothing="It was never measured.")
    )
