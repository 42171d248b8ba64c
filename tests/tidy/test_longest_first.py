"""The order of tests names files that are there, each once."""

from tests.longest_first import LONGEST_FIRST
from tests.tidy.tree import ROOT


def test_longest_first__names_files_that_are_there_and_each_once() -> None:
    assert [path for path in LONGEST_FIRST if not (ROOT / path).is_file()] == []
    assert len(set(LONGEST_FIRST)) == len(LONGEST_FIRST)
