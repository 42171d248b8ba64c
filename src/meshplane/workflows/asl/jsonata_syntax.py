"""The syntax of JSONata: the parser of jsonata-python, of which only the tree is used here.

The tree is evaluated by own code (see `jsonata_compile`): the library's evaluator writes into the
data it is given, takes null for undefined, and knows no bound on memory.
"""

import copy
import sys
from typing import Any

from meshplane.workflows.asl.json_path_regex import InvalidRegex, compile_regex

LONGEST_EXPRESSION_CHARACTERS = 65_536


class InvalidJsonata(ValueError):
    """The text is no JSONata expression.

    Args:
        code: JSONata's code of the problem, such as S0201.
        message: what is wrong.
        position: at which character, counted from 0; None where that is not known.
    """

    def __init__(self, code: str, message: str, position: int | None = None) -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.code = code
        self.message = message
        self.position = position


def parse(text: str) -> Any:
    """The tree of an expression.

    Raises:
        InvalidJsonata: it cannot be read.
    """
    if len(text) > LONGEST_EXPRESSION_CHARACTERS:
        message = f"An expression may have {LONGEST_EXPRESSION_CHARACTERS} characters"
        raise InvalidJsonata("", message, LONGEST_EXPRESSION_CHARACTERS)
    parser_type, failure_type = _library()
    try:
        return parser_type().parse(text, _regex)
    except failure_type as failure:
        position = failure.location if failure.location >= 0 else None
        raise InvalidJsonata(failure.error, str(failure), position) from None
    except InvalidRegex as invalid:
        raise InvalidJsonata("S0302", str(invalid)) from None
    except RecursionError:
        raise InvalidJsonata("", "The expression is nested too deeply") from None
    except (IndexError, KeyError, AttributeError, TypeError, ValueError, NotImplementedError):
        # What the library's tokenizer raises where a text breaks off in the middle of a token.
        raise InvalidJsonata("S0207", "Unexpected end of expression", len(text)) from None


_LOADED: list[Any] = []


def _library() -> Any:
    """The parser and its error, imported at first use: that takes a tenth of a second."""
    if not _LOADED:
        limit = sys.getrecursionlimit()
        from jsonata.jexception import JException  # type: ignore[import-untyped]
        from jsonata.parser import Parser  # type: ignore[import-untyped]

        # The library raises the limit for the whole process when it is imported.
        sys.setrecursionlimit(limit)
        _LOADED.extend([_parser_of(Parser), JException])
    return _LOADED


def _parser_of(parser: Any) -> Any:
    """The library's parser, where `a ?: b` and `a ?? b` have their own copies of `a`.

    The library puts one tree into two places, and what it does to it in the first place shows in
    the second.
    """

    class _Default(parser.InfixDefault):  # type: ignore[misc]
        def led(self, left: Any) -> Any:
            result = super().led(left)
            self.then = copy.deepcopy(left, {id(self._outer_instance): self._outer_instance})
            return result

    class _Coalesce(parser.InfixCoalesce):  # type: ignore[misc]
        def led(self, left: Any) -> Any:
            result = super().led(left)
            self.then = copy.deepcopy(left, {id(self._outer_instance): self._outer_instance})
            return result

    class _Parser(parser):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            for kind, token in ((_Default, "?:"), (_Coalesce, "??")):
                symbol = kind(self, self.symbol_table[token].bp)
                symbol.id = symbol.value = token
                symbol.lbp = self.symbol_table[token].lbp
                self.symbol_table[token] = symbol

    return _Parser


def _regex(pattern: str, flags: Any) -> Any:
    letters = ("i" if flags.case_insensitive else "") + ("m" if flags.multiline else "")
    return compile_regex(pattern.replace("\\/", "/"), letters)
