r"""The regular expressions of the models, in Python's terms.

They are written in two dialects, that of Java in older models and that of ECMA 262 in newer ones
(Smithy 2.0, "pattern trait"). What differs from Python: characters above U+FFFF are written as
pairs of surrogates, a class inside a set may stand for its name in POSIX, and `$` is the very end.
An older expression without anchors is meant for the whole text; a newer one says where it stands.
"""

from contextlib import suppress
from functools import lru_cache

import regex  # type: ignore[import-untyped]

_FULL_PLANES = r"\uD800\uDC00-\uDBFF\uDFFF"
_IN_PYTHON = "\\U00010000-\\U0010FFFF"
# The longest that one match may take: an expression may be costly on a hostile text. The clock goes
# on while a busy machine lets a short match wait, so a match is tried twice.
_SECONDS = (1.0, 5.0)


class Unusable(Exception):
    """An expression of a model that is none in Python."""


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> regex.Pattern[str]:
    """An expression of a model.

    Raises:
        Unusable: it does not compile.
    """
    text = pattern.replace(_FULL_PLANES, _IN_PYTHON)
    # An intersection of sets is Java's alone, and needs the other version of the engine.
    version = regex.V1 if "&&" in text else regex.V0
    try:
        return regex.compile(text, version)
    except regex.error as error:
        raise Unusable(pattern) from error


def fits(pattern: str, text: str) -> bool:
    """Whether a text fits an expression of a model; one that is unusable is fitted by any.

    An expression that is anchored at one end only may leave the other end open.
    """
    try:
        expression = compiled(pattern)
    except Unusable:
        return True
    start, end = pattern.startswith("^"), pattern.endswith("$") and not pattern.endswith("\\$")
    search = expression.search
    if start:
        search = expression.match
    if start == end:
        search = expression.fullmatch
    for seconds in _SECONDS:
        with suppress(TimeoutError):
            return search(text, timeout=seconds) is not None
    return False
