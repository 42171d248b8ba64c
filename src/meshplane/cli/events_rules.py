"""`meshplane events rules`: which events, or which times, start what."""

import json
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from meshplane.cli import present
from meshplane.cli.documents import read_object
from meshplane.cli.session import Session, connected
from meshplane.kit.errors import Invalid

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(no_args_is_help=True, help="Rules: which events, or which times, start what.")

Name = Annotated[str, typer.Argument(help="The rule's name.")]

# What the server adds; a rule that was shown can be put again.
_MADE_BY_SERVER = frozenset({"name", "builtIn", "createdBy", "createdAt", "version"})


def _occasion(rule: present.Item) -> str:
    if rule["scheduleExpression"]:
        return f"{rule['scheduleExpression']} {rule['timezone']}"
    return present.shortened(json.dumps(rule["eventPattern"], ensure_ascii=False))


def _target(target: present.Item) -> str:
    return f"{target['type']} {target['name'] or target['url']}"


_RULES: present.Columns = (
    ("Name", "name"),
    ("State", lambda rule: rule["state"].lower()),
    ("On", _occasion),
    ("Starts", lambda rule: ", ".join(_target(target) for target in rule["targets"])),
    ("Comes with the product", "builtIn"),
)


@app.command("list")
@connected
def list_rules(
    session: Session,
    prefix: Annotated[str, typer.Option(help="Only those whose names begin so.")] = "",
) -> None:
    """Lists the rules, those that come with the product too."""
    items = list(session.api.items("/events/rules", prefix=prefix or None))
    session.show({"items": items}, lambda: present.listing(items, _RULES, nothing="No rules."))


@app.command()
@connected
def show(session: Session, name: Name) -> None:
    """Shows a rule."""
    rule = session.api.get(_path(name))
    session.show(rule, lambda: _drawn(rule))


@app.command()
@connected
def put(
    session: Session,
    file: Annotated[str, typer.Argument(help="The rule with its name: a JSON file, JSON, or -.")],
) -> None:
    """Creates a rule, or replaces it. The key of a new webhook is shown this one time."""
    body = read_object(file, "file")
    name = body.get("name")
    if not isinstance(name, str) or not name:
        raise Invalid("RULE_INVALID", 'The rule has no name: add "name".', field="name")
    rule = session.api.put(_path(name), _written(body), key=session.key())
    session.show(rule, lambda: present.stacked(_drawn(rule), *_secrets(rule)))


@app.command()
@connected
def enable(session: Session, name: Name) -> None:
    """Enables a rule: it gets what happens from now on."""
    rule = session.api.post(f"{_path(name)}/enable", key=session.key())
    session.show(rule, lambda: f"Enabled the rule {present.escaped(name)}.")


@app.command()
@connected
def disable(session: Session, name: Name) -> None:
    """Disables a rule; what happens meanwhile it never gets."""
    rule = session.api.post(f"{_path(name)}/disable", key=session.key())
    session.show(rule, lambda: f"Disabled the rule {present.escaped(name)}.")


@app.command()
@connected
def delete(session: Session, name: Name) -> None:
    """Deletes a rule; what it has sent is still delivered."""
    session.api.delete(_path(name), key=session.key())
    session.show({"deleted": name}, lambda: f"Deleted the rule {present.escaped(name)}.")


def _path(name: str) -> str:
    return f"/events/rules/{quote(name, safe='')}"


def _written(body: dict[str, Any]) -> dict[str, Any]:
    """What of a rule a person writes; a target's key is the server's, too."""
    kept = {member: value for member, value in body.items() if member not in _MADE_BY_SERVER}
    for target in kept.get("targets") or ():
        if isinstance(target, dict):
            target.pop("secret", None)
    return kept


def _drawn(rule: dict[str, Any]) -> "RenderableType":
    targets = [
        {
            "Target": target["id"],
            "Starts": _target(target),
            "Retries": target["retryPolicy"]["maximumRetryAttempts"],
            "Seconds": target["retryPolicy"]["maximumEventAgeSeconds"],
            "Then": target["deadLetterQueue"],
        }
        for target in rule["targets"]
    ]
    pattern = rule["eventPattern"]
    columns = [(title, title) for title in ("Target", "Starts", "Retries", "Seconds", "Then")]
    return present.stacked(
        present.facts(
            [
                ("name", rule["name"]),
                ("description", rule["description"]),
                ("state", rule["state"].lower()),
                ("pattern", pattern and json.dumps(pattern, indent=2, ensure_ascii=False)),
                ("schedule", rule["scheduleExpression"]),
                ("time zone", rule["scheduleExpression"] and rule["timezone"]),
                ("window, minutes", rule["flexibleWindowMinutes"] or None),
                ("missed firings", rule["scheduleExpression"] and rule["onMissed"]),
                ("comes with the product", rule["builtIn"] or None),
                ("written by", present.person(rule["createdBy"])),
                ("created", present.moment(rule["createdAt"])),
            ]
        ),
        present.listing(targets, columns, nothing="It starts nothing."),
    )


def _secrets(rule: dict[str, Any]) -> list[str]:
    return [
        f"The key of the webhook {present.escaped(target['id'])}, shown this one time: "
        f"{target['secret']}"
        for target in rule["targets"]
        if target.get("secret")
    ]
