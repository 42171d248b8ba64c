"""`meshplane quality`: runs a data product's rules and shows its score."""

from typing import Annotated

import typer

from meshplane.cli import present, resolve
from meshplane.cli.session import Session, connected

app = typer.Typer(no_args_is_help=True, help="Data quality: rules, runs and scores.")

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
    ("Score", "score"),
    ("Passed", lambda run: f"{run['rulesPassed']} of {run['rulesTotal']}"),
    ("Run", "runId"),
)


@app.command()
@connected
def run(session: Session, name: Name) -> None:
    """Runs the ruleset of a data product. Exit code 1 when a rule does not hold."""
    asset_id = resolve.asset_id(session.api, name)
    outcome = session.api.post("/data-quality/run", {"assetId": asset_id}, key=session.key())
    session.show(
        outcome,
        lambda: present.stacked(
            present.listing(outcome["rules"], _RULES, nothing="No rules."),
            f"{outcome['rulesPassed']} of {outcome['rulesTotal']} passed: "
            f"score {present.text_of(outcome['score'])}",
        ),
    )
    if outcome["rulesPassed"] < outcome["rulesTotal"]:
        raise typer.Exit(1)


@app.command()
@connected
def show(session: Session, name: Name) -> None:
    """Shows the runs of a data product's rules, and its score."""
    asset_id = resolve.asset_id(session.api, name)
    items = list(session.api.items("/data-quality/runs", assetId=asset_id))
    session.show(
        {"items": items}, lambda: present.listing(items, _RUNS, nothing="It was never measured.")
    )
