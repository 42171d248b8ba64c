"""JSONata's functions of texts."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from meshplane.workflows.asl.json_path_regex import Match, Regex
from meshplane.workflows.asl.jsonata_calls import apply, match_object
from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_text import to_text
from meshplane.workflows.asl.jsonata_values import MISSING, Run, Sequence

_COMPONENT_KEPT = "-_.!~*'()"
_URL_KEPT = _COMPONENT_KEPT + ";/?:@&=+$,#"


def string(run: Run, value: Any, pretty: Any) -> Any:
    """`$string(value, prettify)`."""
    return MISSING if value is MISSING else to_text(run, value, pretty is True)


def substring(run: Run, text: Any, start: Any, length: Any) -> Any:
    """`$substring(text, start, length)`: a negative start counts from the end."""
    if text is MISSING:
        return MISSING
    begin = int(start // 1) if start is not MISSING else 0
    if begin < 0:
        begin = max(0, len(text) + begin)
    if length is MISSING:
        return text[begin:]
    return text[begin : begin + int(length // 1)] if length > 0 else ""


def before(run: Run, text: Any, mark: Any) -> Any:
    """`$substringBefore`: all of it, where the mark does not occur."""
    if text is MISSING or mark is MISSING:
        return text
    return text.partition(mark)[0] if mark else ""


def after(run: Run, text: Any, mark: Any) -> Any:
    """`$substringAfter`: all of it, where the mark does not occur."""
    if text is MISSING or mark is MISSING or not mark:
        return text
    return text.partition(mark)[2] if mark in text else text


def of_text(work: Callable[[str], Any]) -> Callable[[Run, Any], Any]:
    """A function of one text; of undefined it gives undefined."""

    def apply_to(run: Run, text: Any) -> Any:
        if text is MISSING:
            return MISSING
        run.spend_text(len(text))
        return work(text)

    return apply_to


def _trimmed(text: str) -> str:
    return re.sub(r"[ \t\n\r]+", " ", text).strip(" ")


def pad(run: Run, text: Any, width: Any, filler: Any) -> Any:
    """`$pad(text, width, char)`: to the left when the width is negative."""
    if text is MISSING:
        return MISSING
    mark = filler if filler is not MISSING and filler else " "
    size = abs(int(width)) if width is not MISSING else 0
    missing = size - len(text)
    if missing <= 0:
        return text
    run.spend_text(size + len(mark))
    padding = (mark * (missing // len(mark) + 1))[:missing]
    return text + padding if width > 0 else padding + text


def _matches(run: Run, regex: Regex, text: str) -> Iterator[Match]:
    run.spend_text(len(text))
    for match in regex.each(text, run.spend):
        if match.start == match.end:
            raise JsonataError("D1004")
        run.spend(2 + len(match.groups))
        yield match


def match(run: Run, text: Any, regex: Any, limit: Any) -> Any:
    """`$match(text, pattern, limit)`."""
    if text is MISSING:
        return MISSING
    if limit is not MISSING and limit < 0:
        raise JsonataError("D3040")
    found: list[Any] = []
    if isinstance(regex, Regex):
        for one in _matches(run, regex, text):
            if limit is not MISSING and len(found) >= limit:
                break
            groups = [group if group is not None else "" for group in one.groups]
            found.append({"match": one.text, "index": one.start, "groups": groups})
        return Sequence(found)
    # Any function that answers as a regular expression does.
    answer = apply(run, regex, [text], MISSING)
    while isinstance(answer, dict) and (limit is MISSING or len(found) < limit):
        found.append(
            {
                "match": answer.get("match"),
                "index": answer.get("start"),
                "groups": answer.get("groups", []),
            }
        )
        following = answer.get("next", MISSING)
        answer = apply(run, following, [], MISSING) if following is not MISSING else MISSING
    return Sequence(found)


def contains(run: Run, text: Any, token: Any) -> Any:
    """`$contains(text, text or pattern)`."""
    if text is MISSING:
        return MISSING
    run.spend_text(len(text))
    if isinstance(token, str):
        return token in text
    if isinstance(token, Regex):
        return token.found_in(text, run.spend)
    return apply(run, token, [text], MISSING) is not MISSING


def replace(run: Run, text: Any, pattern: Any, replacement: Any, limit: Any) -> Any:
    """`$replace(text, text or pattern, text or function, limit)`."""
    if text is MISSING:
        return MISSING
    if pattern == "":
        raise JsonataError("D3010")
    if limit is not MISSING and limit < 0:
        raise JsonataError("D3011")
    most = -1 if limit is MISSING else int(limit)
    if isinstance(pattern, str):
        return _replace_text(run, text, pattern, replacement, most)
    if not isinstance(pattern, Regex):
        raise JsonataError("T0410", index=2, subject="replace")
    parts: list[str] = []
    at = 0
    for count, found in enumerate(_matches(run, pattern, text)):
        if count == most:
            break
        new = _replaced(run, found, replacement)
        run.spend_text(len(new))
        parts += [text[at : found.start], new]
        at = found.end
    parts.append(text[at:])
    run.spend_text(sum(map(len, parts)))
    return "".join(parts)


def _replace_text(run: Run, text: str, old: str, replacement: Any, most: int) -> str:
    if isinstance(replacement, str):
        count = text.count(old) if most < 0 else min(most, text.count(old))
        run.spend_text(len(text) + count * len(replacement))
        return text.replace(old, replacement, most)
    raise JsonataError("T0410", index=3, subject="replace")


def _replaced(run: Run, found: Match, replacement: Any) -> str:
    if isinstance(replacement, str):
        return _filled(found, replacement)
    new = apply(run, replacement, [match_object(found)], MISSING)
    if not isinstance(new, str):
        raise JsonataError("D3012")
    return new


def _filled(found: Match, replacement: str) -> str:
    """The replacement with `$0`, `$1` … filled in; `$$` is a dollar."""
    groups = found.groups
    digits = len(str(len(groups))) if groups else 1

    def fill(place: re.Match[str]) -> str:
        text = place.group(1)
        if text == "$":
            return "$"
        number = text[:digits]
        if text[0] == "0":
            return found.text + text[1:]
        if len(number) > 1 and int(number) > len(groups):
            number = number[:-1]
        group = groups[int(number) - 1] if 0 < int(number) <= len(groups) else ""
        return (group or "") + text[len(number) :]

    return re.sub(r"\$(\$|[0-9]+)", fill, replacement)


def split(run: Run, text: Any, separator: Any, limit: Any) -> Any:
    """`$split(text, text or pattern, limit)`."""
    if text is MISSING:
        return MISSING
    if limit is not MISSING and limit < 0:
        raise JsonataError("D3020")
    if isinstance(separator, str):
        run.spend(len(text) if not separator else 1 + text.count(separator))
        parts = text.split(separator) if separator else list(text)
    elif isinstance(separator, Regex):
        parts, at = [], 0
        for found in _matches(run, separator, text):
            parts.append(text[at : found.start])
            at = found.end
        parts.append(text[at:])
    else:
        raise JsonataError("T0410", index=2, subject="split")
    return parts if limit is MISSING else parts[: int(limit)]


def join(run: Run, texts: Any, separator: Any) -> Any:
    """`$join(texts, separator)`."""
    if texts is MISSING:
        return MISSING
    between = separator if separator is not MISSING else ""
    run.spend_text(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode(
            "utf-8", "replace"
        )
    except (binascii.Error, ValueError):
        raise JsonataError("D3137", message="The string is not valid Base64") from None


def _encoder(kept: str, name: str) -> Callable[[str], str]:
    def encode(text: str) -> str:
        try:
            return quote(text, safe=kept)
        except UnicodeEncodeError:
            raise JsonataError("D3140", name=name, value=text) from None

    return encode


def _url_decoder(name: str, kept: str) -> Callable[[str], str]:
    def decode(text: str) -> str:
        if re.search(r"%(?![0-9a-fA-F]{2})", text):
            raise JsonataError("D3140", name=name, value=text)
        # An escape of a character that has a meaning in an address stays as it is.
        shielded = re.sub(
            r"%([0-9a-fA-F]{2})",
            lambda found: ("%25" if chr(int(found[1], 16)) in kept else "%") + found[1],
            text,
        )
        try:
            return unquote_to_bytes(shielded).decode("utf-8")
        except UnicodeDecodeError:
            raise JsonataError("D3140", name=name, value=text) from None

    return decode


# Name, signature, work; the number of arguments it takes from `$map` is that of the signature.
TEXT_FUNCTIONS: list[tuple[str, str, Callable[..., Any]]] = [
    ("string", "<x-b?:s>", string),
    ("substring", "<s-nn?:s>", substring),
    ("substringBefore", "<s-s:s>", before),
    ("substringAfter", "<s-s:s>", after),
    ("lowercase", "<s-:s>", of_text(str.lower)),
    ("uppercase", "<s-:s>", of_text(str.upper)),
    ("length", "<s-:n>", of_text(len)),
    ("trim", "<s-:s>", of_text(_trimmed)),
    ("pad", "<s-ns?:s>", pad),
    ("match", "<s-f<s:o>n?:a<o>>", match),
    ("contains", "<s-(sf):b>", contains),
    ("replace", "<s-(sf)(sf)n?:s>", replace),
    ("split", "<s-(sf)n?:a<s>>", split),
    ("join", "<a<s>s?:s>", join),
    (
        "base64encode",
        "<s-:s>",
        of_text(lambda text: base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")),
    ),
    ("base64decode", "<s-:s>", of_text(_decoded)),
    ("encodeUrlComponent", "<s-:s>", of_text(_encoder(_COMPONENT_KEPT, "encodeUrlComponent"))),
    ("encodeUrl", "<s-:s>", of_text(_encoder(_URL_KEPT, "encodeUrl"))),
    ("decodeUrlComponent", "<s-:s>", of_text(_url_decoder("decodeUrlComponent", ""))),
    ("decodeUrl", "<s-:s>", of_text(_url_decoder("decodeUrl", ";/?:@&=+$,#"))),
]
