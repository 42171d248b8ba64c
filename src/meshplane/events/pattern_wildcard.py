r"""Wildcards: `*` stands for any characters, none too; `\*` and `\\` for themselves.

A value is matched in one pass from left to right: between two stars the leftmost occurrence of a
literal is always the best one, so nothing is ever tried twice. What makes a pattern of wildcards
costly on EventBridge is refused here too, so that a pattern which is accepted here is accepted
there: how many beginnings of wildcards could match one value at the same time.
See https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html and
the MachineComplexityEvaluator of https://github.com/aws/event-ruler.
"""

from collections.abc import Iterable

from meshplane.events.pattern_refusals import bad_pattern

# EventBridge accepts this many beginnings that match at once, and no more.
MOST_BEGINNINGS = 10

# A set of wildcards whose beginnings combine in more ways counts as too complex, unexamined.
_MOST_STEPS = 20_000

_STAR = 256
_ASTERISK, _BACKSLASH = b"*\\"


def pieces_of(text: str) -> tuple[str, ...]:
    """The literal pieces between the stars of a wildcard, unescaped.

    Raises:
        InvalidEventPattern: two stars stand side by side, or a backslash escapes something else.
    """
    pieces: list[list[int]] = [[]]
    for symbol in _symbols(text)[1:-1]:
        if symbol == _STAR:
            pieces.append([])
        else:
            pieces[-1].append(symbol)
    return tuple(bytes(piece).decode("utf-8", "surrogatepass") for piece in pieces)


def matches_pieces(pieces: tuple[str, ...], value: str) -> bool:
    """Whether a value consists of these pieces with anything between them."""
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return value == first
    end = len(value) - len(last)
    if end < len(first) or not (value.startswith(first) and value.endswith(last)):
        return False
    position = len(first)
    for piece in pieces[1:-1]:
        found = value.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True


def check_complexity(wildcards: Iterable[str]) -> None:
    """Refuses wildcards of one field that EventBridge finds too complex together.

    Args:
        wildcards: as they were written; each was accepted by `pieces_of`.

    Raises:
        InvalidEventPattern: more than `MOST_BEGINNINGS` could match one value at once.
    """
    if not _few_beginnings([_symbols(text) for text in sorted(set(wildcards))]):
        raise bad_pattern(
            "Rule is too complex - try using fewer wildcard characters or fewer repeating "
            "character sequences after a wildcard character"
        )


def _few_beginnings(wildcards: list[list[int]]) -> bool:
    """Walks through the sets of beginnings that some value matches, a bit for each beginning.

    Bit k stands for the wildcard's beginning that ends with symbol k. A byte moves a beginning on
    by its next symbol; one that ends with a star also stays.
    """
    starts = bits = 0
    ends: dict[int, int] = {}
    for symbols in wildcards:
        starts |= 1 << bits
        for symbol in symbols:
            ends[symbol] = ends.get(symbol, 0) | 1 << bits
            bits += 1
    stars = ends.pop(_STAR, 0)
    # No wildcard goes on into the one that lies behind it.
    moves = [*(mask & ~starts for mask in ends.values()), 0]
    first = starts | (starts << 1 & stars)
    waiting, seen, steps = [first], {first}, 0
    while waiting:
        active = waiting.pop()
        if active.bit_count() > MOST_BEGINNINGS:
            return False
        for move in moves:
            steps += 1
            if steps > _MOST_STEPS:
                return False
            reached = (active << 1 & move) | (active & stars)
            reached |= reached << 1 & stars
            if reached and reached not in seen:
                seen.add(reached)
                waiting.append(reached)
    return True


def _symbols(text: str) -> list[int]:
    """The bytes of the quoted text, unescaped, with `_STAR` for each star.

    Positions in the refusals count the opening quote, as those of EventBridge do.
    """
    raw = f'"{text}"'.encode("utf-8", "surrogatepass")
    symbols: list[int] = []
    position = 0
    while position < len(raw):
        byte, following = raw[position], raw[position + 1 : position + 2]
        if byte == _ASTERISK:
            if following == b"*":
                raise bad_pattern(f"Consecutive wildcard characters at pos {position}")
            symbols.append(_STAR)
        elif byte == _BACKSLASH:
            if following not in {b"*", b"\\"}:
                raise bad_pattern(f"Invalid escape character at pos {position}")
            position += 1
            symbols.append(raw[position])
        else:
            symbols.append(byte)
        position += 1
    return symbols
