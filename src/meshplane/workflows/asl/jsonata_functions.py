"""The functions that every JSONata expression of a state can call."""

from collections.abc import Callable
from typing import Any

from meshplane.workflows.asl.jsonata_list_functions import LIST_FUNCTIONS
from meshplane.workflows.asl.jsonata_number_functions import NUMBER_FUNCTIONS
from meshplane.workflows.asl.jsonata_signature import read_signature
from meshplane.workflows.asl.jsonata_states_functions import STATES_FUNCTIONS
from meshplane.workflows.asl.jsonata_text_functions import TEXT_FUNCTIONS
from meshplane.workflows.asl.jsonata_time_functions import TIME_FUNCTIONS
from meshplane.workflows.asl.jsonata_values import Native


def _native(name: str, signature: str, work: Callable[..., Any]) -> Native:
    read = read_signature(signature, name)
    # `$map(values, $string)` gives the value only, not its place for the second argument.
    arity = 1 if name == "string" else read.size
    return Native(name, work, arity, read)


FUNCTIONS: dict[str, Any] = {
    name: _native(name, signature, work)
    for name, signature, work in [
        *TEXT_FUNCTIONS,
        *NUMBER_FUNCTIONS,
        *LIST_FUNCTIONS,
        *TIME_FUNCTIONS,
        *STATES_FUNCTIONS,
    ]
}
