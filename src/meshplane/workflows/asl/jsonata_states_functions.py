"""The functions that Step Functions adds to JSONata, in the place of its intrinsic functions.

`$eval` is not there: Step Functions has taken it out of the language.
"""

from collections.abc import Callable
from typing import Any

from meshplane.workflows.asl import intrinsic_texts as texts
from meshplane.workflows.asl.intrinsic_arguments import IntrinsicFailed
from meshplane.workflows.asl.intrinsic_numbers import seeded_fraction
from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_operators import MOST_RANGE_ITEMS
from meshplane.workflows.asl.jsonata_values import MISSING, Run, normal_number, real


def partition(run: Run, values: Any, size: Any) -> Any:
    """`$partition(list, size)`: the items in lists of that size; the last may be shorter."""
    if values is MISSING or size is MISSING:
        return MISSING
    step = int(size // 1)
    if step < 1:
        raise JsonataError("D3137", message="The second argument of $partition must be positive")
    run.spend(len(values))
    return [values[at : at + step] for at in range(0, len(values), step)]


def number_range(run: Run, first: Any, last: Any, step: Any) -> Any:
    """`$range(first, last, step)`: the last is included."""
    if MISSING in (first, last, step):
        return MISSING
    start, end, by = real(first), real(last), real(step)
    if by == 0:
        raise JsonataError("D3137", message="The third argument of $range must not be 0")
    size = int(min((end - start) / by, float(MOST_RANGE_ITEMS + 1)) // 1) + 1
    if size > MOST_RANGE_ITEMS:
        raise JsonataError("D2014", value=size)
    run.spend(max(0, size))
    return [normal_number(start + at * by) for at in range(size)]


def digest(run: Run, value: Any, algorithm: Any) -> Any:
    """`$hash(text, algorithm)`: MD5, SHA-1, SHA-256, SHA-384 or SHA-512."""
    if value is MISSING:
        return MISSING
    return _asked(lambda: texts.digest(value, "SHA-256" if algorithm is MISSING else algorithm))


def random(run: Run, seed: Any) -> Any:
    """`$random(seed)`: from 0 to before 1; equal seeds give equal numbers."""
    if seed is MISSING:
        return run.scope.random.random()
    return seeded_fraction(int(real(seed)))


def uuid(run: Run) -> Any:
    """`$uuid()`: a random identifier (version 4)."""
    return run.scope.new_uuid()


def parse(run: Run, text: Any) -> Any:
    """`$parse(text)`: the value of a JSON text."""
    if text is MISSING:
        return MISSING
    run.spend_text(len(text))
    return _asked(lambda: texts.parse_json(text))


def _asked(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except IntrinsicFailed as failure:
        raise JsonataError("D3137", message=str(failure)) from None


STATES_FUNCTIONS: list[tuple[str, str, Callable[..., Any]]] = [
    ("partition", "<an:a>", partition),
    ("range", "<nnn:a>", number_range),
    ("hash", "<ss?:s>", digest),
    ("random", "<n?:n>", random),
    ("uuid", "<:s>", uuid),
    ("parse", "<s:x>", parse),
]
