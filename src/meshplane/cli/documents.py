"""JSON that is given on the command line: in a file, on standard input, or as it stands."""

import json
import sys
from pathlib import Path
from typing import Any

from meshplane.kit.errors import Invalid

_LARGEST_BYTES = 16 * 1024 * 1024
_OPENS_JSON = ("{", "[", '"')


def read_text(given: str, field: str) -> str:
    """The JSON text that an argument stands for; whether it is JSON, its reader says.

    Args:
        given: JSON, the name of a file, or `-` for standard input.
        field: the option that it was given to.

    Raises:
        Invalid: FILE_UNREADABLE.
    """
    if given.lstrip().startswith(_OPENS_JSON) or _is_scalar(given):
        return given
    try:
        if given == "-":
            return sys.stdin.buffer.read().decode()
        path = Path(given)
        if path.stat().st_size > _LARGEST_BYTES:
            raise Invalid(
                "FILE_UNREADABLE", f"{given} has more than {_LARGEST_BYTES:,} bytes.", field=field
            )
        return path.read_bytes().decode()
    except UnicodeDecodeError:
        raise Invalid("FILE_UNREADABLE", f"{given} is not UTF-8 text.", field=field) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "that is no name of a file"
        raise Invalid(
            "FILE_UNREADABLE",
            f"{given} cannot be read: {reason}. Give a file, JSON, or - for standard input.",
            field=field,
        ) from error


def read_json(given: str, field: str) -> Any:
    """The JSON value that an argument stands for.

    Args:
        given: as in `read_text`.
        field: the option that it was given to.

    Raises:
        Invalid: FILE_UNREADABLE, JSON_INVALID with the line and the column.
    """
    return parsed(read_text(given, field), field)


def parsed(text: str, field: str) -> Any:
    """The value of JSON text.

    Args:
        text: what was read.
        field: the option that it was given to.

    Raises:
        Invalid: JSON_INVALID with the line and the column.
    """
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Invalid(
            "JSON_INVALID",
            f"This is not JSON: line {error.lineno}, column {error.colno}: {error.msg}.",
            field=field,
        ) from None
    except (ValueError, RecursionError):
        raise Invalid(
            "JSON_INVALID", "This is not JSON: it has NaN, or is nested too deeply.", field=field
        ) from None


def read_object(given: str, field: str) -> dict[str, Any]:
    """The JSON object that an argument stands for.

    Args:
        given: as in `read_text`.
        field: the option that it was given to.

    Raises:
        Invalid: FILE_UNREADABLE, JSON_INVALID.
    """
    found = read_json(given, field)
    if not isinstance(found, dict):
        raise Invalid("JSON_INVALID", "Give a JSON object: { … }.", field=field)
    return found


def _is_scalar(text: str) -> bool:
    """Whether it is a JSON number, true, false or null, and no file is named so."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return not Path(text).is_file()


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
