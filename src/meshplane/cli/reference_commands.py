"""The page of the command line, read off the commands themselves."""

from typing import Any

from meshplane.cli.reference_pages import HEAD, table

_SHARED = ("url", "token", "user", "groups", "home", "as_json")


def commands_page() -> str:
    """Every command with its arguments and options; those that all share stand once."""
    import typer

    from meshplane.cli.app import app

    root = typer.main.get_command(app)
    found = list(_leaves(root, "meshplane"))
    asking = next(command for name, command in found if name == "meshplane query")
    shared = [parameter for parameter in asking.params if parameter.name in _SHARED]
    parts = [
        HEAD,
        "# Commands\n\nExit codes: 0 done, 1 refused or failed, 2 wrong use.\n\n",
        "Commands that ask the server share these options:\n\n",
        table(("option", "variable", "default", "meaning"), map(_row, shared)),
    ]
    for name, command in found:
        asks = {parameter.name for parameter in command.params} >= set(_SHARED)
        own = [
            parameter
            for parameter in command.params
            if parameter.name != "help" and not (asks and parameter.name in _SHARED)
        ]
        usage = " ".join([name, *(_argument(p) for p in own if p.param_type_name == "argument")])
        parts.append(f"\n## {name}\n\n{_text(command)}\n\n```text\n{usage}\n```\n")
        if own:
            parts += ["\n", table(("option", "variable", "default", "meaning"), map(_row, own))]
        if asks:
            parts.append("\nAnd the shared options.\n")
    return "".join(parts)


def _leaves(command: Any, name: str) -> Any:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, each in inner.items():
        yield from _leaves(each, f"{name} {word}")


def _text(command: Any) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (command.help or "").split("\n\n"))


def _argument(parameter: Any) -> str:
    name = parameter.name.upper()
    name += "…" if parameter.nargs != 1 else ""
    return str(name) if parameter.required else f"[{name}]"


def _row(parameter: Any) -> tuple[str, str, str, str]:
    is_argument = parameter.param_type_name == "argument"
    shown = _argument(parameter) if is_argument else ", ".join(parameter.opts)
    default = parameter.default
    is_given = default not in (None, "", False, ()) and not is_argument
    return (
        f"`{shown}`",
        f"`{parameter.envvar}`" if parameter.envvar else "",
        "required" if parameter.required else f"`{default}`" if is_given else "",
        getattr(parameter, "help", None) or "",
    )
