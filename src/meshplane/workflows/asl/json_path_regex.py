"""Regular expressions that a workflow's author writes, in time that no pattern can stretch.

RE2 matches in time linear in the text. What it does not know (look-around, back references) goes to
`regex`, which backtracks, under a deadline.
"""

import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

LONGEST_PATTERN_CHARACTERS = 2_000
_LONGEST_MATCH_SECONDS = 0.25
_RE2_MEMORY_BYTES = 8 * 1024 * 1024
# Instructions times characters: at worst about ten nanoseconds each, half a second in all.
_MOST_LINEAR_WORK = 50_000_000
_STEPS_PER_SECOND = 2_000_000

Spend = Callable[[int], None]


class InvalidRegex(ValueError):
    """The text is no regular expression, or too large a one."""


class RegexTooSlow(RuntimeError):
    """A match did not come to an end in time."""


class Match:
    """One match: where it is, its text, and the text of its groups (None: took no part)."""

    __slots__ = ("end", "groups", "start", "text")

    def __init__(self, start: int, end: int, text: str, groups: tuple[str | None, ...]) -> None:
        self.start = start
        self.end = end
        self.text = text
        self.groups = groups


class Regex:
    """A compiled pattern. Equal texts and flags share one (see `compile_regex`).

    Each use is told where to count its work: `spend` is called with steps of half a microsecond.
    """

    __slots__ = ("_compiled", "_size", "_timed", "text")

    def __init__(self, text: str, compiled: Any, timed: bool) -> None:
        self.text = text
        self._compiled = compiled
        self._timed = timed
        self._size = 0 if timed else compiled.programsize

    def matches_whole(self, text: str, spend: Spend) -> bool:
        """Whether the pattern matches the text from end to end. Raises RegexTooSlow."""
        return self._asked(self._compiled.fullmatch, text, spend) is not None

    def found_in(self, text: str, spend: Spend) -> bool:
        """Whether the pattern matches somewhere. Raises RegexTooSlow."""
        return self._asked(self._compiled.search, text, spend) is not None

    def each(self, text: str, spend: Spend) -> Iterator[Match]:
        """The matches from left to right. Raises RegexTooSlow."""
        found = iter(self._asked(self._compiled.finditer, text, spend))
        while True:
            match = self._counted(lambda: next(found, None), spend)
            if match is None:
                return
            yield Match(match.start(), match.end(), match.group(), match.groups())

    def _asked(self, ask: Any, text: str, spend: Spend) -> Any:
        if self._timed:
            return self._counted(lambda: ask(text, timeout=_LONGEST_MATCH_SECONDS), spend)
        if self._size * len(text) > _MOST_LINEAR_WORK:
            raise RegexTooSlow(self.text)
        return self._counted(lambda: ask(text), spend)

    def _counted(self, ask: Any, spend: Spend) -> Any:
        started = time.thread_time()
        try:
            return ask()
        except TimeoutError:
            raise RegexTooSlow(self.text) from None
        finally:
            spend(int((time.thread_time() - started) * _STEPS_PER_SECOND))


@lru_cache(maxsize=512)
def compile_regex(text: str, flags: str = "") -> Regex:
    """Compiles a pattern.

    Args:
        text: the pattern, without slashes.
        flags: of `i` (case does not matter), `m` (`^` and `$` at each line) and `s` (a dot also
            matches an end of line); others are left aside.

    Raises:
        InvalidRegex: it is none, or longer than 2,000 characters.
    """
    if len(text) > LONGEST_PATTERN_CHARACTERS:
        message = f"A regular expression may have {LONGEST_PATTERN_CHARACTERS} characters."
        raise InvalidRegex(message)
    compiled = _compile_linear(text, flags)
    if compiled is not None:
        return Regex(text, compiled, timed=False)
    import regex  # type: ignore[import-untyped]

    known = {"i": regex.IGNORECASE, "m": regex.MULTILINE, "s": regex.DOTALL}
    bits = regex.VERSION0
    for flag in flags:
        bits |= known.get(flag, 0)
    try:
        return Regex(text, regex.compile(text, bits), timed=True)
    except (regex.error, RecursionError, OverflowError):
        raise InvalidRegex("It is not a regular expression.") from None


def _compile_linear(text: str, flags: str) -> Any:
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _RE2_MEMORY_BYTES
    # Flags as a group at the start, because the options of this binding do not have them all.
    wanted = "".join(flag for flag in "ims" if flag in flags)
    try:
        return re2.compile(f"(?{wanted}){text}" if wanted else text, options)
    except re2.error:
        return None
