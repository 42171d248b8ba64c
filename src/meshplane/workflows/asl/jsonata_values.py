"""Values that occur while a JSONata expression is evaluated, besides those of JSON.

JSON's null is Python's None. What JSONata calls undefined is `MISSING`.
"""

import math
import time
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from meshplane.workflows.asl.json_path_regex import Regex
from meshplane.workflows.asl.jsonata_errors import JsonataError

if TYPE_CHECKING:
    from meshplane.workflows.asl.scope import Scope

MOST_STEPS = 1_000_000
MOST_CPU_SECONDS = 0.25
DEEPEST_CALLS = 256
LONGEST_TEXT_CHARACTERS = 4_000_000
_STEPS_PER_LOOK = 2_000
_EXACT = 2**53
_LEAST_WITH_EXPONENT = 1e21
_CHARACTERS_PER_STEP = 16


class _Missing:
    __slots__ = ()

    def __repr__(self) -> str:
        return "undefined"

    def __bool__(self) -> bool:
        return False


MISSING: Any = _Missing()


class Sequence(list[Any]):
    """A list that JSONata made on its way: of one item it becomes that item, of none undefined."""

    keep_singleton = False
    tuple_stream = False


class Constructed(list[Any]):
    """A list written as `[…]` in a path: it is not flattened into the path's result."""


class OuterList(Sequence):
    """A list around an input that is itself a list."""


class Run:
    """One evaluation: what it may still spend, and what it sees of the world.

    Args:
        scope: gives random numbers, identifiers and the time.
    """

    __slots__ = ("_deadline", "_fuel", "_left", "depth", "now_milliseconds", "scope")

    def __init__(self, scope: "Scope") -> None:
        self.scope = scope
        self.depth = 0
        self._fuel = _STEPS_PER_LOOK
        self._left = MOST_STEPS
        self._deadline = 0.0
        self.now_milliseconds = scope.now_milliseconds

    def spend(self, steps: int) -> None:
        """Counts work, in steps of about half a microsecond.

        Raises:
            JsonataError: D1012, when the expression did too much.
        """
        self._fuel -= steps
        if self._fuel < 0:
            self._look()

    def spend_text(self, characters: int) -> None:
        """Counts a text that is about to be made. Raises JsonataError (D1012)."""
        if characters > LONGEST_TEXT_CHARACTERS:
            raise JsonataError("D1012", value=f"{LONGEST_TEXT_CHARACTERS} characters")
        self.spend(1 + characters // _CHARACTERS_PER_STEP)

    def _look(self) -> None:
        self._left += self._fuel - _STEPS_PER_LOOK
        if self._left < 0:
            raise JsonataError("D1012", value=f"{MOST_STEPS} steps")
        self._fuel = _STEPS_PER_LOOK
        # The thread's own time: on a busy machine an expression is not failed for others' work.
        now = time.thread_time()
        if not self._deadline:
            self._deadline = now + MOST_CPU_SECONDS
        elif now > self._deadline:
            raise JsonataError("D1012", value=f"{MOST_CPU_SECONDS:g} seconds")

    def time_milliseconds(self) -> int:
        """The time of `$now()`: the same all through one evaluation."""
        if self.now_milliseconds is None:
            self.now_milliseconds = time.time_ns() // 1_000_000
        return self.now_milliseconds


class Frame:
    """Names and their values within a block or a function."""

    __slots__ = ("names", "parent", "run")

    def __init__(self, parent: "Frame | None", run: Run, names: dict[str, Any]) -> None:
        self.parent = parent
        self.run = run
        self.names = names

    def lookup(self, name: str) -> Any:
        """A name's value here or further out; `MISSING` when there is none."""
        frame: Frame | None = self
        while frame is not None:
            value = frame.names.get(name, frame)
            if value is not frame:
                return value
            frame = frame.parent
        return MISSING


Evaluate = Callable[[Any, Frame], Any]


class NodeCompiler(Protocol):
    """Compiles nodes of a tree; what compiles paths and orders needs of it."""

    def compile(self, node: Any) -> Evaluate:
        """A node, with its predicates and grouping."""
        ...

    def weighed(self, node: Any) -> tuple[Evaluate, int]:
        """A compiled node, and how many steps one evaluation of it counts."""
        ...


class ArgumentCheck(Protocol):
    """What a function's signature demands of its arguments."""

    def validate(self, arguments: list[Any], context: Any) -> list[Any]:
        """The arguments as the function takes them.

        Raises:
            JsonataError: one is of the wrong type, or missing.
        """
        ...


class Lambda:
    """A function written in the expression, with what it saw when it was made."""

    __slots__ = ("body", "frame", "input", "parameters", "signature", "weight")

    def __init__(
        self,
        parameters: tuple[str, ...],
        body: Evaluate,
        weight: int,
        signature: ArgumentCheck | None,
        seen: tuple[Any, Frame],
    ) -> None:
        self.parameters = parameters
        self.body = body
        self.weight = weight
        self.signature = signature
        self.input, self.frame = seen

    @property
    def arity(self) -> int:
        """How many parameters it has."""
        return len(self.parameters)


class Native:
    """A function of the language. `work` takes the run and the validated arguments."""

    __slots__ = ("arity", "name", "signature", "work")

    def __init__(
        self, name: str, work: Callable[..., Any], arity: int, signature: ArgumentCheck | None
    ) -> None:
        self.name = name
        self.work = work
        self.arity = arity
        self.signature = signature


class TailCall:
    """A call in the last place of a function: whoever called that function goes on with it."""

    __slots__ = ("arguments", "function", "input")

    def __init__(self, function: Any, arguments: list[Any], input_value: Any) -> None:
        self.function = function
        self.arguments = arguments
        self.input = input_value


def is_number(value: Any) -> bool:
    """Whether it is a number: true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_function(value: Any) -> bool:
    """Whether it can be called."""
    return isinstance(value, Lambda | Native | Regex)


def normal_number(value: float) -> float:
    """A result of arithmetic: an integer where it is one. Raises JsonataError (D1001)."""
    if isinstance(value, int):
        return value
    if not math.isfinite(value):
        # Told as JSON, which has no word for it.
        raise JsonataError("D1001", value=None)
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def written_number(value: float) -> float:
    """A number as JavaScript writes it: `1.0` is 1, and there are 17 digits at most."""
    if isinstance(value, int) and -_EXACT <= value <= _EXACT:
        return value
    number = real(value)
    if not math.isfinite(number):
        raise JsonataError("D1001", value=None)
    if not number.is_integer() or abs(number) >= _LEAST_WITH_EXPONENT:
        return number
    return int(number) if abs(number) <= _EXACT else int(Decimal(repr(number)))


def real(value: float) -> float:
    """A number as the double it is in JSONata. Raises JsonataError (D1001)."""
    try:
        return float(value)
    except OverflowError:
        raise JsonataError("D1001", value=None) from None


def appended(run: Run, first: Any, second: Any) -> Any:
    """Two values or lists as one list; undefined adds nothing."""
    if first is MISSING:
        return second
    if second is MISSING:
        return first
    left = first if isinstance(first, list) else [first]
    right = second if isinstance(second, list) else [second]
    run.spend(len(left) + len(right))
    return [*left, *right]


def truthy(value: Any) -> bool:
    """The value as `$boolean` sees it; undefined is false."""
    if isinstance(value, list):
        if len(value) == 1:
            return truthy(value[0])
        return any(truthy(item) for item in value)
    if isinstance(value, Lambda | Native | Regex):
        return False
    return bool(value) and value is not MISSING
