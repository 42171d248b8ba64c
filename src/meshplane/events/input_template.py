"""The template of an input transformer: text in which an event's values replace `<names>`.

EventBridge User Guide, "Input transformation":

- `{"id": <id>}`: JSON. A name outside quotes becomes the value's JSON, so that text gets its
  quotes; inside quotes it becomes text. A value that the event lacks is empty text.
- `"<id> is <state>"`: text. Several lines, each in quotes, become lines of one text.

Where a value with quotes would break the JSON, EventBridge fails to deliver, or delivers what the
value's author wrote. Here a value inside quotes is escaped, so that it always stays one text.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from meshplane.events.input_paths import NOTHING

LONGEST_TEMPLATE = 8192

# Names of objects: within quotes their own quotes would end the text.
OBJECT_NAMES = frozenset({"aws.events.event", "aws.events.event.json"})
TEXT_NAMES = frozenset(
    {"aws.events.rule-arn", "aws.events.rule-name", "aws.events.event.ingestion-time"}
)
RESERVED_NAMES = OBJECT_NAMES | TEXT_NAMES

# What a template gives must be JSON whatever an event holds: with nothing between two signs, with
# letters that end an escape such as \u00, and with what may not name a member of an object.
_SAMPLES = ("", "zz", 0)

_PLACEHOLDER = re.compile(r"<([^<>\n]*)>")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A name in a template, and whether it stands inside quotes."""

    name: str
    quoted: bool


Part = str | Placeholder


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was read.

    Args:
        parts: text and placeholders, in order.
        lines: whether it is lines of text, each in quotes.
    """

    parts: Sequence[Part]
    lines: bool

    @property
    def names(self) -> set[str]:
        """The names in it."""
        return {part.name for part in self.parts if isinstance(part, Placeholder)}

    def fill(self, values: Mapping[str, Any]) -> Any:
        """The JSON value that comes of it.

        Args:
            values: JSON by name; a name that is not there is empty text.
        """
        text = "".join(
            part if isinstance(part, str) else _text_of(values.get(part.name, NOTHING), part.quoted)
            for part in self.parts
        )
        return _loaded(text, self.lines)


@lru_cache(maxsize=4096)
def parse_template(text: str) -> Template:
    """Reads a template.

    Raises:
        ValueError: it does not give JSON or text; the message says what to change.
    """
    if not 1 <= len(text) <= LONGEST_TEMPLATE:
        raise ValueError(f"a template has 1 to {LONGEST_TEMPLATE} characters")
    parts = _parts(text)
    for at, part in enumerate(parts):
        if not isinstance(part, Placeholder) or not part.quoted:
            continue
        if part.name in OBJECT_NAMES:
            raise ValueError(f"<{part.name}> is an object: write it without quotes around it")
        if _is_in_key(parts[at + 1 :]):
            raise ValueError(f"<{part.name}> stands in a name of an object; only values may change")
    for lines in (False, True):
        template = Template(parts, lines)
        if all(_gives_json(template, sample) for sample in _SAMPLES):
            return template
    raise ValueError(
        "a template is JSON, or text in quotes: put quotes around text, and a backslash before "
        "quotes within it; <names> stand where a value may stand"
    )


def _parts(text: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    place, quoted = 0, False
    for match in _PLACEHOLDER.finditer(text):
        before = text[place : match.start()]
        quoted, escaped = _read_over(before, quoted)
        if escaped:
            raise ValueError(f"a backslash stands before <{match[1]}>; < and > cannot be escaped")
        parts += [before, Placeholder(match[1], quoted)]
        place = match.end()
    return (*parts, text[place:])


def _read_over(text: str, quoted: bool) -> tuple[bool, bool]:
    """Whether quotes are open behind a piece of JSON, and whether a backslash ends it."""
    escaped = False
    for sign in text:
        if escaped:
            escaped = False
        elif sign == "\\" and quoted:
            escaped = True
        elif sign == '"':
            quoted = not quoted
    return quoted, escaped


def _is_in_key(rest: Sequence[Part]) -> bool:
    """Whether the open quotes belong to a name of an object, by what stands behind them."""
    behind = "".join(part if isinstance(part, str) else "" for part in rest)
    return re.match(r'(?:[^"\\]|\\.)*"\s*:', behind, re.DOTALL) is not None


def _gives_json(template: Template, sample: str | int) -> bool:
    try:
        template.fill(dict.fromkeys(template.names, sample))
    except ValueError:
        return False
    return True


def _text_of(value: Any, quoted: bool) -> str:
    if value is NOTHING:
        return "" if quoted else '""'
    if not quoted:
        return orjson.dumps(value).decode()
    # EventBridge writes objects and lists within text as JSON that has lost its quotes.
    plain = value if isinstance(value, str) else orjson.dumps(value).decode().replace('"', "")
    return orjson.dumps(plain).decode()[1:-1]


def _loaded(text: str, lines: bool) -> Any:
    if not lines:
        return orjson.loads(text)
    found = [orjson.loads(line) for line in text.split("\n") if line.strip()]
    if not all(isinstance(line, str) for line in found):
        raise ValueError("each line of a text is in quotes")
    return "\n".join(found)
