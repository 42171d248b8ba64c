"""Patterns of `StringMatches`: `*` stands for any characters, unless a backslash is before it."""

from collections.abc import Callable


def compile_wildcard(pattern: str) -> Callable[[str], bool]:
    """A function that tells whether a text matches; its work is linear in the text's length."""
    parts: list[str] = [""]
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\" and at + 1 < len(pattern) and pattern[at + 1] in "*\\":
            parts[-1] += pattern[at + 1]
            at += 2
            continue
        if character == "*":
            parts.append("")
        else:
            parts[-1] += character
        at += 1
    first, *others = parts
    if not others:
        return lambda text: text == first
    *middle, last = others
    needed = [part for part in middle if part]

    def matches(text: str) -> bool:
        if len(text) < len(first) + len(last):
            return False
        if not (text.startswith(first) and text.endswith(last)):
            return False
        # The leftmost place of each part leaves the most for those after it.
        place, end = len(first), len(text) - len(last)
        for part in needed:
            found = text.find(part, place, end)
            if found < 0:
                return False
            place = found + len(part)
        return True

    return matches
