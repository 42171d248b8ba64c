"""Draws what `meshplane demo` prints, as the picture of the README.

    TTY_INTERACTIVE=0 FORCE_COLOR=1 COLUMNS=108 meshplane demo \
        | python docs/images/draw.py 4 5 6 7 > docs/images/demo.svg

Run it from the environment that `make setup` made. The numbers choose chapters; the summary is
always drawn.
"""

import io
import re
import sys
from collections.abc import Collection

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

WIDTH = 108
# Letters and numbers of the terminal itself: a cursor that is hidden is no part of a picture.
_CURSOR = re.compile(r"\x1b\[\?25[hl]")
_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_CHAPTER = re.compile(r"(\d)\. ")
# The template of rich loads its font from the web; a picture here loads nothing.
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def chosen(printed: str, chapters: Collection[str]) -> list[str]:
    """The lines of these chapters, and the summary."""
    kept, keeping = [], False
    for line in _CURSOR.sub("", printed).splitlines():
        plain = _STYLE.sub("", line)
        chapter = _CHAPTER.match(plain)
        if chapter:
            keeping = chapter[1] in chapters
        if keeping or " checks held" in plain:
            kept.append(line.rstrip())
    return kept


def main() -> None:
    """Reads the demo's output and writes the picture."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for line in chosen(sys.stdin.read(), sys.argv[1:]):
        console.print(Text.from_ansi(line))
    picture = console.export_svg(title="meshplane demo", theme=MONOKAI)
    sys.stdout.write(_FONTS.sub("", picture))


if __name__ == "__main__":
    main()
