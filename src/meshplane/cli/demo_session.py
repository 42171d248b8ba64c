"""Prints keys of the role of a demo's process, for boto3, which asks for them when others end.

Not a command of `meshplane`: `renewed_process` writes who calls it, and with which variables.
"""

import json

from meshplane.cli.demo_roles import process_session


def main() -> None:
    """Prints them, as boto3 takes them from a program."""
    print(json.dumps({"Version": 1, **process_session()}))


if __name__ == "__main__":
    main()
