"""Help as it is shown: paragraphs flow to the terminal's width, wherever their lines end here."""

import inspect

import typer


def let_flow(app: typer.Typer) -> None:
    """Joins the lines of each paragraph of the help of all commands, of groups as well.

    Typer does so for the first paragraph alone, and wraps the lines of the others one by one.
    """
    for command in app.registered_commands:
        text = command.help or inspect.getdoc(command.callback) or ""
        command.help = "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))
    for group in app.registered_groups:
        if group.typer_instance is not None:
            let_flow(group.typer_instance)
