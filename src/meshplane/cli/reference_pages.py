"""Pages of the reference that are read off classes and files: settings, events, policies."""

import inspect
import re
from collections.abc import Iterable
from importlib import import_module
from importlib.resources import files
from pkgutil import iter_modules
from typing import Any, get_args

HEAD = "<!-- Made by `make reference` from the code; do not edit. -->\n\n"

_ID = re.compile(r'@id\("([^"]+)"\)')
_ACTION = re.compile(r'Action::"(\w+)"')


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [_line(titles := list(titles)), _line("---" for _ in titles)]
    return "\n".join([*lines, *(_line(row) for row in rows)]) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def settings_page() -> str:
    """Every setting: variable, default, type, meaning."""
    from meshplane.run.settings import Settings

    rows = []
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True, validated_data={})
        shown = "" if default in (None, (), {}) else f"`{default}`"
        limits = ", ".join(_limit(each) for each in field.metadata if _limit(each))
        kind = _type_name(field.annotation) + (f", {limits}" if limits else "")
        rows.append(
            (f"`{name}`", f"`MESHPLANE_{name.upper()}`", shown, kind, field.description or "")
        )
    return (
        HEAD
        + "# Settings\n\n"
        + "Options of `meshplane serve` win over variables, and these over the TOML file that\n"
        + "`MESHPLANE_CONFIG` names, where a setting has the name of the first column.\n"
        + "`MESHPLANE_LINKS` is JSON; `MESHPLANE_LINKS__PROJECTS` names one service.\n\n"
        + table(("setting", "variable", "default", "type", "meaning"), rows)
        + "\nThe command line also reads `MESHPLANE_URL`, `MESHPLANE_TOKEN`, `MESHPLANE_USER`,\n"
        + "`MESHPLANE_GROUPS` and `MESHPLANE_HOME`. Any other `MESHPLANE_…` is refused.\n"
    )


def _limit(constraint: Any) -> str:
    found = [
        f"{sign} {getattr(constraint, name)}"
        for name, sign in (("ge", "≥"), ("le", "≤"), ("pattern", "matches"))
        if getattr(constraint, name, None) is not None
    ]
    return ", ".join(found)


def _type_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)


def events_page() -> str:
    """Every event's type, source, entity and fields."""
    parts = [
        HEAD,
        "# Events\n\n",
        "Rows of the outbox, written in the commit of what they tell of. `GET /api/v1/events`\n",
        "lists them. Events of one entity are delivered in order. Fields are those of `detail`.\n",
    ]
    for kind in event_payloads():
        rows = [
            (f"`{field.alias or name}`", _type_name(field.annotation), _default(field))
            for name, field in kind.model_fields.items()
        ]
        entity = kind.model_fields[kind.entity_field].alias or kind.entity_field
        parts += [
            f"\n## {kind.__name__}\n\n",
            f"{inspect.getdoc(kind)}\n\nSource `{kind.source}`, entity `{entity}`.\n\n",
            table(("field", "type", "default"), rows),
        ]
    return "".join(parts)


def _default(field: Any) -> str:
    return "" if field.is_required() else f"`{field.default}`"


def event_payloads() -> list[Any]:
    """The payload of every event, in the order of their modules."""
    import meshplane.events as package
    from meshplane.events.payload import Payload

    found = []
    for module in sorted(iter_modules(package.__path__), key=lambda module: module.name):
        names = vars(import_module(f"{package.__name__}.{module.name}"))
        found += [
            kind
            for kind in names.values()
            if isinstance(kind, type)
            and issubclass(kind, Payload)
            and kind is not Payload
            and kind.__module__.endswith(f".{module.name}")
        ]
    # A payload that stands inside another one is no event.
    inside = {
        inner
        for kind in found
        for field in kind.model_fields.values()
        for inner in get_args(field.annotation)
    }
    return [kind for kind in found if kind not in inside]


def policies_page() -> str:
    """Which policies bear on each operation, then the policies as they are."""
    folder = files("meshplane.policy")
    texts = {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".cedar")
    }
    by_action: dict[str, list[str]] = {}
    for text in texts.values():
        for policy in re.split(r"(?=@id\()", text)[1:]:
            name = _ID.match(policy)
            for action in sorted(set(_ACTION.findall(policy))):
                by_action.setdefault(action, []).append(f"`{name[1]}`" if name else "")
    rows = ((f"`{action}`", ", ".join(by_action[action])) for action in sorted(by_action))
    parts = [
        HEAD,
        "# Policies\n\n",
        "Cedar, deny by default: an operation is allowed if a `permit` holds and no `forbid`.\n\n",
        table(("operation", "policies"), rows),
    ]
    parts += [f"\n## {name}\n\n```cedar\n{text.rstrip()}\n```\n" for name, text in texts.items()]
    return "".join(parts)
