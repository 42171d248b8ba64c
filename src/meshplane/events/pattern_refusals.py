"""How a pattern, or an event that is held against one, is refused.

The code and the wording are those of EventBridge's TestEventPattern, since the tools that write
patterns know them.
"""

from meshplane.kit.errors import Invalid


class InvalidEventPattern(Invalid):
    """The pattern, or the event that it is held against, cannot be read.

    `code` is `InvalidEventPatternException` for a pattern; `message` says what was wrong with it.
    """


class InvalidEvent(InvalidEventPattern):
    """The event is not one that a pattern can be held against; `code` is `ValidationException`.

    It is the same kind as the refusal of a pattern, so that a caller who tries a pattern on an
    event catches one kind for both.
    """


def bad_pattern(reason: str) -> InvalidEventPattern:
    """The refusal of a pattern, worded as EventBridge does."""
    return InvalidEventPattern(
        "InvalidEventPatternException",
        f"Event pattern is not valid. Reason: {reason}",
        field="pattern",
    )


def bad_event() -> InvalidEvent:
    """The refusal of an event, worded as EventBridge does."""
    return InvalidEvent("ValidationException", "Parameter Event is not valid.", field="event")
