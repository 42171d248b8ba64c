"""What all HTTP bodies share: camelCase, strict types, no unknown fields, clean text."""

import unicodedata
from typing import Annotated, Generic, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from meshplane.kit.errors import Invalid

T = TypeVar("T")

_LONGEST_POSITION = 18
_ALLOWED_CONTROLS = {"\n", "\r", "\t"}


class ApiModel(BaseModel):
    """A body, or a part of one.

    Its validator is built when it is first needed: building all of them at the start would take as
    long as the rest of the start.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        strict=True,
        frozen=True,
        defer_build=True,
    )


def _clean(text: str) -> str:
    for character in text:
        category = unicodedata.category(character)
        # Cc: NUL and other controls; Cs: unpaired surrogates; Cf: invisible marks that reorder
        # or hide text; Co, Cn: characters that have no agreed meaning.
        if category in {"Cs", "Co", "Cn"} or (
            category in {"Cc", "Cf"} and character not in _ALLOWED_CONTROLS
        ):
            raise ValueError(
                f"holds a character that text may not hold here (U+{ord(character):04X})"
            )
    return unicodedata.normalize("NFC", text)


def _one_line(text: str) -> str:
    # Zl and Zp: the separators of lines and of paragraphs.
    if any(
        character in _ALLOWED_CONTROLS or unicodedata.category(character) in {"Zl", "Zp"}
        for character in text
    ):
        raise ValueError("must be a single line")
    return text


Text = Annotated[str, StringConstraints(max_length=4000), AfterValidator(_clean)]
"""Text of up to 4,000 characters, in NFC, without controls, surrogates or invisible marks."""

Document = Annotated[
    str, StringConstraints(min_length=2, max_length=51_200), AfterValidator(_clean)
]
"""A document of up to 51,200 characters, the most that CloudFormation takes; clean as `Text` is."""

_LONGEST_CAUSE = 65_536


def _as_text(cause: str) -> str:
    """What an engine says of a failure, as text that a row may hold."""
    shown = "".join(
        " " if unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Co", "Cn"} else letter
        for letter in cause[:4000]
    )
    return unicodedata.normalize("NFC", shown)[:4000].strip()


Cause = Annotated[str, StringConstraints(max_length=_LONGEST_CAUSE), AfterValidator(_as_text)]
"""Why something failed, as an engine or a workflow says it: cut and cleaned, never refused."""

Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    AfterValidator(_clean),
    AfterValidator(_one_line),
]
"""One line of text, 1 to 200 characters."""

Slug = Annotated[
    str,
    StringConstraints(min_length=2, max_length=48, pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"),
]
"""A name such as `flight-operations`: lower-case letters, digits, single hyphens. It is part of
bucket names, which are S3's."""

SqlName = Annotated[
    str, StringConstraints(min_length=1, max_length=63, pattern=r"^[a-z][a-z0-9_]*$")
]
"""A name that SQL takes without quotes: `delays_by_carrier`."""

Id = Annotated[str, StringConstraints(min_length=3, max_length=80, pattern=r"^[a-z0-9-]+$")]
"""An id as this API gives them."""

PrincipalName = Annotated[
    str,
    StringConstraints(
        min_length=6, max_length=200, pattern=r"^(user|group):[A-Za-z0-9][A-Za-z0-9._@+:-]*$"
    ),
]
"""`user:ada@aviation` or `group:aviation-stewards`."""


def in_words(message: str) -> WrapValidator:
    """Says what a value should be in place of the pattern that it misses.

    Args:
        message: what to write, with an example.
    """

    def said(value: object, check: ValidatorFunctionWrapHandler) -> object:
        try:
            return check(value)
        except ValidationError as error:
            raise PydanticCustomError("form", "{message}", {"message": message}) from error

    return WrapValidator(said)


ProjectPrincipal = Annotated[
    str, StringConstraints(max_length=90, pattern=r"^project:proj-[a-z0-9]+$")
]
"""`project:proj-…`: a project as the holder of a grant."""


class PageQuery(ApiModel):
    """How every list pages."""

    limit: int = Field(default=50, ge=1, le=200, description="The most items to give.")
    cursor: str | None = Field(
        default=None, max_length=1000, description="`nextCursor` of the page before."
    )


class Page(ApiModel, Generic[T]):
    """A page of a list; `nextCursor` is null at its end."""

    items: list[T]
    next_cursor: str | None = None


_PRINCIPAL_NAME: TypeAdapter[str] = TypeAdapter(PrincipalName)


def principal_name(text: str) -> str:
    """A principal's name from a path or a query.

    Raises:
        Invalid: PRINCIPAL_INVALID.
    """
    try:
        return _PRINCIPAL_NAME.validate_python(text)
    except ValidationError:
        raise Invalid(
            "PRINCIPAL_INVALID",
            "Name a principal as user:NAME or group:NAME.",
            field="principal",
        ) from None


def position(cursor: str | None) -> int:
    """The place that a cursor of a log or of a counted list names; 0 without one.

    Raises:
        Invalid: CURSOR_INVALID.
    """
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit()) or len(cursor) > _LONGEST_POSITION:
        raise Invalid(
            "CURSOR_INVALID",
            "The cursor is not one that an earlier page of this list gave.",
            field="cursor",
        )
    return int(cursor)
