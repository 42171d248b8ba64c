"""Variables that a state assigns."""

from typing import Any

from meshplane.workflows.asl.validation_report import Place, quoted
from meshplane.workflows.asl.validation_values import JSONPATH, Check

LONGEST_NAME_CHARACTERS = 80


def check_assign(place: Place, value: Any, language: str, inside: Check) -> None:
    """Tells what is wrong with an `Assign`.

    Args:
        place: where it stands.
        value: what stands there.
        language: the query language of the state.
        inside: the check of the values.
    """
    if not isinstance(value, dict):
        place.error("must be a JSON object: variable names with their values.")
        return
    for written in value:
        name = written.removesuffix(".$") if language == JSONPATH else written
        if name == "states":
            place.at(written).error('The variable name "states" is reserved; choose another.')
        elif not is_variable_name(name):
            place.at(written).error(
                f"{quoted(name)} is no variable name: it starts with a letter, goes on with"
                f" letters, digits and _, and has at most {LONGEST_NAME_CHARACTERS} characters."
            )
    inside(place, value, language)


def is_variable_name(name: str) -> bool:
    """Whether a name follows Unicode's rules for identifiers (UAX #31), which Python shares."""
    return 0 < len(name) <= LONGEST_NAME_CHARACTERS and name.isidentifier()
