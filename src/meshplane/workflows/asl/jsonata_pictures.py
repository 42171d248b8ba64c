"""Numbers written and read after a picture: `$formatNumber`, `$formatInteger`, `$parseInteger`.

The pictures are those of XPath (F&O 3.1 §4.6 and §4.7); jsonata-python works them out.
"""

from collections.abc import Callable
from typing import Any

from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_values import MISSING, Run

LONGEST_PICTURE_CHARACTERS = 256
_MOST_ROMAN = 100_000
_MOST_INTEGER = 10**18


def format_number(run: Run, value: Any, picture: Any, options: Any) -> Any:
    """`$formatNumber(number, picture, options)`."""
    if value is MISSING:
        return MISSING
    _check_picture(run, picture)
    symbols = options if isinstance(options, dict) else {}
    for name, symbol in symbols.items():
        if not isinstance(symbol, str) or not 0 < len(symbol) <= 8:
            raise JsonataError("D3137", message=f"The option '{name}' must be a single character")
    from jsonata.functions import Functions  # type: ignore[import-untyped]

    return _asked(lambda: Functions.format_number(value, picture, symbols))


def format_integer(run: Run, value: Any, picture: Any) -> Any:
    """`$formatInteger(number, picture)`."""
    if value is MISSING:
        return MISSING
    _check_picture(run, picture)
    number = int(value // 1)
    # A Roman numeral is as long as its number is large.
    most = _MOST_ROMAN if picture[:1] in ("I", "i") else _MOST_INTEGER
    if abs(number) > most:
        raise JsonataError("D1001", value=value)
    from jsonata.datetimeutils import DateTimeUtils  # type: ignore[import-untyped]

    return _asked(lambda: DateTimeUtils.format_integer(number, picture))


def parse_integer(run: Run, text: Any, picture: Any) -> Any:
    """`$parseInteger(text, picture)`."""
    if text is MISSING:
        return MISSING
    _check_picture(run, picture)
    _check_picture(run, text)
    from jsonata.datetimeutils import DateTimeUtils

    return _asked(lambda: DateTimeUtils.parse_integer(text, picture))


def _check_picture(run: Run, picture: Any) -> None:
    run.spend(64)
    if not isinstance(picture, str) or len(picture) > LONGEST_PICTURE_CHARACTERS:
        message = f"A picture is a string of at most {LONGEST_PICTURE_CHARACTERS} characters"
        raise JsonataError("D3137", message=message)


def _asked(work: Callable[[], Any]) -> Any:
    """What the library answers; whatever it raises is an error of the picture."""
    from jsonata.jexception import JException  # type: ignore[import-untyped]

    try:
        result = work()
    except JException as failure:
        raise JsonataError("D3137", message=f"{failure}") from None
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError):
        raise JsonataError("D3137", message="The value does not fit the picture") from None
    except (RuntimeError, NotImplementedError):
        raise JsonataError("D3137", message="The picture is not supported") from None
    return MISSING if result is None else result
