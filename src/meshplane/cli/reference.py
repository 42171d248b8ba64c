"""Writes `docs/reference` from the code: `python -m meshplane.cli.reference docs/reference`.

A test compares the files with what this makes, so that the reference cannot fall behind.
"""

import sys
from pathlib import Path

from meshplane.cli.reference_asyncapi import asyncapi_document
from meshplane.cli.reference_commands import commands_page
from meshplane.cli.reference_errors import errors_page
from meshplane.cli.reference_iam import SHIPPED, policies, shipped
from meshplane.cli.reference_openapi import openapi_document
from meshplane.cli.reference_pages import events_page, policies_page, settings_page

PACKAGE = Path(__file__).resolve().parents[1]


def pages() -> dict[str, str]:
    """The text of every generated file, by its name in `docs/reference`."""
    return {
        "openapi.json": openapi_document(),
        "asyncapi.json": asyncapi_document(),
        "settings.md": settings_page(),
        "errors.md": errors_page(),
        "events.md": events_page(),
        "policies.md": policies_page(),
        "cli.md": commands_page(),
        **{f"iam/{part}.json": text for part, text in policies(PACKAGE).items()},
    }


def main() -> None:
    """Writes the files into the folder that the command line names."""
    folder = Path(sys.argv[1])
    made = pages()
    for stale in (folder / "iam").glob("*.json"):
        if f"iam/{stale.name}" not in made:
            stale.unlink()
    for name, text in made.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        print(f"wrote {folder / name}")
    (PACKAGE / SHIPPED).write_text(shipped(PACKAGE), encoding="utf-8")
    print(f"wrote {PACKAGE / SHIPPED}")


if __name__ == "__main__":
    main()
