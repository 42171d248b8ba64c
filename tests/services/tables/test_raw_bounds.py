"""Files of a raw area that unpack into much: what is held of one at a time has a bound."""

import gzip
import io
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from meshplane.kit.errors import Invalid, TooLarge
from meshplane.services.tables import raw_parquet
from meshplane.services.tables.crawl_ports import Format, WantedColumn
from meshplane.services.tables.raw_formats import columns_of, rows_of
from meshplane.services.tables.raw_lines import CheckedLines

MOST_BYTES = 8 * 1024 * 1024
KINDS = {"text": "string", "day": "string", "n": "long", "bytes": "fixed[100000]"}
ENCODINGS: dict[str, dict[str, Any]] = {
    "dictionary": {"use_dictionary": True, "dictionary_pagesize_limit": 1 << 30},
    "dictionary-and-plain": {"use_dictionary": True, "dictionary_pagesize_limit": 100},
    "prefixes": {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}},
    "plain": {"use_dictionary": False},
}


@pytest.fixture
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that are met with little memory."""
    monkeypatch.setattr(raw_parquet, "BATCH_BYTES", MOST_BYTES)
    monkeypatch.setattr(raw_parquet, "_LARGEST_ROW_BYTES", MOST_BYTES)
    monkeypatch.setattr(raw_parquet, "_SPREAD_BYTES", MOST_BYTES)


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def batches(
    content: bytes, names: Sequence[str], *, kind: Format = "parquet", name: str = "x/a"
) -> Iterator[pa.RecordBatch]:
    columns = [WantedColumn(one, KINDS.get(one, "string"), one) for one in names]
    yield from rows_of(lambda: pa.BufferReader(content), name, kind, columns, known=False)


def most_held(batches: Iterator[pa.RecordBatch], see: Callable[[pa.RecordBatch], None]) -> int:
    """The most bytes that Arrow held while batches were looked at, one after the other."""
    before = most = pa.total_allocated_bytes()
    for batch in batches:
        most = max(most, pa.total_allocated_bytes())
        see(batch)
    return most - before


@pytest.mark.usefixtures("_small_batches")
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_parquet__of_few_bytes_for_very_many_comes_in_small_batches(encoding: str) -> None:
    rows, long = 1_500, "x" * 30_000
    texts = [None if row % 7 == 0 else f"{long}{row % 3}" for row in range(rows)]
    content = parquet({"text": texts, "n": list(range(rows))}, **ENCODINGS[encoding])
    assert len(content) < MOST_BYTES < rows * 30_000 / 4
    told: list[tuple[str | None, int]] = []
    sizes: list[int] = []

    def see(batch: pa.RecordBatch) -> None:
        told.extend((row["text"] and row["text"][-1], row["n"]) for row in batch.to_pylist())
        sizes.append(batch.nbytes)

    assert most_held(batches(content, ["text", "n"]), see) < 6 * MOST_BYTES
    assert max(sizes) < 1.2 * MOST_BYTES
    assert told == [(text and text[-1], row) for row, text in enumerate(texts)]


@pytest.mark.usefixtures("_small_batches")
def test_parquet__of_bytes_of_a_fixed_length_comes_in_small_batches_too() -> None:
    values = pa.array([b"y" * 100_000] * 300, pa.binary(100_000))
    sizes = [batch.nbytes for batch in batches(parquet({"bytes": values}), ["bytes"])]
    assert (len(sizes) > 3, max(sizes) < 1.2 * MOST_BYTES) == (True, True)


class Stops:
    """A file of which pyarrow cannot read more into dictionaries after some batches."""

    def __init__(self, file: pq.ParquetFile, after: int) -> None:
        self._file, self._after = file, after

    def iter_batches(self, *args: Any, **options: Any) -> Iterator[pa.RecordBatch]:
        yield from itertools.islice(self._file.iter_batches(*args, **options), self._after)
        raise OSError("Not yet implemented: DecodeArrow of DictAccumulator")


@pytest.mark.parametrize("after", [0, 1, 3])
def test_parquet__that_goes_on_in_another_encoding_has_each_row_once(after: int) -> None:
    file = pq.ParquetFile(io.BytesIO(parquet({"n": list(range(1_000))})))
    read = raw_parquet._read((Stops(file, after), 100), (file, 70), 0, ["n"], "x/a")
    assert [row["n"] for batch in read for row in batch.to_pylist()] == list(range(1_000))


def test_parquet__of_short_values_comes_in_batches_of_many_rows() -> None:
    columns = {"text": [f"v{row}" for row in range(50_000)], "n": list(range(50_000))}
    sizes = [batch.num_rows for batch in batches(parquet(columns), ["text", "n"])]
    assert sizes[:-1] == [8_192] * 6


@pytest.mark.usefixtures("_small_batches")
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_row_of_parquet__larger_than_a_batch_is_refused_with_its_column(encoding: str) -> None:
    texts = ["a", "z" * (MOST_BYTES + 1), "b"]
    content = parquet({"n": [1, 2, 3], "text": texts}, **ENCODINGS[encoding])
    with pytest.raises(TooLarge) as refused:
        list(batches(content, ["n", "text"]))
    assert refused.value.code == "FILES_TOO_LARGE"
    assert "x/a: a row takes 8,388," in refused.value.message
    assert "'text'" in refused.value.message
    assert "zz" not in refused.value.message
    assert sum(batch.num_rows for batch in batches(content, ["n"])) == 3


@pytest.mark.usefixtures("_small_batches")
def test_row_of_parquet__of_many_long_values_is_refused_as_one_long_value_is() -> None:
    columns = {f"c{number}": ["q" * 1_000_000] * 9 for number in range(9)}
    content = parquet(columns)
    assert len(content) < 1_000_000
    with pytest.raises(TooLarge) as refused:
        list(batches(content, list(columns)))
    assert refused.value.code == "FILES_TOO_LARGE"
    assert sum(batch.num_rows for batch in batches(content, ["c0", "c8"])) == 9


def test_nested_column_of_parquet__wanted_as_a_text_is_refused_before_it_is_read() -> None:
    content = parquet({"n": [1], "text": [["x" * 100]]})
    with pytest.raises(Invalid) as refused:
        list(batches(content[:4] + b"\0" * 8 + content[12:], ["text"]))
    assert refused.value.code == "FILES_DO_NOT_FIT"
    assert "'text' is list<" in refused.value.message


def test_text_of_parquet__that_is_none_is_told_as_damage() -> None:
    values = pa.StringArray.from_buffers(
        2, pa.py_buffer(b"\0\0\0\0\2\0\0\0\4\0\0\0"), pa.py_buffer(b"\xff\xfeok")
    )
    for options in ENCODINGS.values():
        with pytest.raises(Invalid) as refused:
            list(batches(parquet({"text": values}, **options), ["text"]))
        assert refused.value.code == "FILES_UNREADABLE"


def test_column_of_parquet__that_comes_twice_is_told_and_not_taken_for_empty() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["n", "n"]), sink)
    with pytest.raises(Invalid) as refused:
        list(batches(sink.getvalue(), ["n"]))
    assert (refused.value.code, "'n' comes twice" in refused.value.message) == (
        "FILES_UNREADABLE",
        True,
    )


def wide_line(keys: int, start: str = "k") -> bytes:
    return json.dumps({f"{start}{number}": number for number in range(keys)}).encode() + b"\n"


def test_line_of_json__with_more_names_than_columns_go_is_refused_at_once_by_its_number() -> None:
    content = b'{"n": 1}\n' * 40 + wide_line(60_000)
    begun = time.process_time()
    for content_of, name in ((content, "x/a.json"), (gzip.compress(content, 1), "x/a.json.gz")):
        for read in (
            lambda body=content_of, at=name: columns_of(lambda: pa.BufferReader(body), at, "json"),
            lambda body=content_of, at=name: list(batches(body, ["n"], kind="json", name=at)),
        ):
            with pytest.raises(Invalid) as refused:
                read()
            assert refused.value.code == "FILES_UNREADABLE"
            assert refused.value.message.startswith(
                f"{name}: line 41 has an object of more than 2,000 names"
            )
    assert time.process_time() - begun < 1


@pytest.mark.parametrize("before", [0, 1, 500_000, 700_000])
def test_line_of_json__far_down_is_refused_by_its_number_wherever_a_block_ends(
    before: int,
) -> None:
    late = b'{"n": 1, "m": "' + b"x" * 60 + b'"}\n'
    with pytest.raises(Invalid) as refused:
        list(batches(late * before + wide_line(3_000), ["n"], kind="json"))
    assert f": line {before + 1:,} has an object of more than" in refused.value.message


@pytest.mark.parametrize(
    "value",
    [
        "12:30:00 " * 1_000,
        '"a": {"b": [' * 1_000,
        '\\":' * 1_000,
        [{f"k{number}": 1 for number in range(20)}] * 900,
        {f"o{one}": {f"k{number}": 1 for number in range(100)} for one in range(100)},
    ],
    ids=["times", "signs", "backslashes", "many-objects-alike", "objects-in-objects"],
)
def test_line_of_json__with_many_colons_and_few_names_in_an_object_is_taken(value: Any) -> None:
    content = json.dumps({"text": value if isinstance(value, str) else "", "deep": value})
    lines = f'{{"text": "a"}}\n{content}\n'.encode()
    found = [
        row["text"] for batch in batches(lines, ["text"], kind="json") for row in batch.to_pylist()
    ]
    assert found == ["a", value if isinstance(value, str) else ""]


@pytest.mark.parametrize(
    ("line", "rows"), [(b"{}\n", 1), (b"{} {}{}\n", 3), (b"{}" * 999 + b"\n", 999)]
)
def test_empty_rows_of_json__with_many_columns_wanted_take_little_memory(
    line: bytes, rows: int
) -> None:
    lines = 50_000 // rows
    content = gzip.compress(b'{"n": 1}\n' + line * lines + b'{"n": 2}\n', 1)
    names = ["n", *(f"c{number}" for number in range(200))]
    seen: list[int] = []
    held = most_held(
        batches(content, names, kind="json", name="x/a.json.gz"),
        lambda batch: seen.append(batch.num_rows),
    )
    assert sum(seen) == rows * lines + 2
    assert held < 4 * raw_parquet.BATCH_BYTES


def test_head_of_json__with_many_names_and_many_lines_takes_little_memory() -> None:
    content = wide_line(1_900) + b"{}\n" * 300_000
    begun = time.process_time()
    schema = columns_of(lambda: pa.BufferReader(content), "x/a.json", "json")
    assert len(schema) == 1_900
    # All lines of a mebibyte would make 500 million cells, which take a minute and gigabytes.
    assert time.process_time() - begun < 10


def test_head_of_json__is_all_that_its_first_mebibyte_holds() -> None:
    lines = [b'{"n": %d}\n' % number for number in range(60_000)]
    late = itertools.chain(lines, [b'{"late": 1}\n'])
    content = b"".join(late)
    assert 500_000 < len(content) < 1_000_000
    assert columns_of(lambda: pa.BufferReader(content), "x/a", "json").names == ["n", "late"]
    # Without a line's end at the end, and with a file that goes on.
    assert columns_of(lambda: pa.BufferReader(content[:-1]), "x/a", "json").names == ["n", "late"]
    more = content + b'{"later": 1}\n' * 100_000
    assert columns_of(lambda: pa.BufferReader(more), "x/a", "json").names == ["n", "late", "later"]


def test_first_line_of_json__of_more_than_a_mebibyte_is_told() -> None:
    content = b'{"text": "' + b"x" * 1_100_000 + b'"}\n'
    with pytest.raises(Invalid) as refused:
        columns_of(lambda: pa.BufferReader(content), "x/a", "json")
    assert refused.value.code == "FILES_UNREADABLE"
    assert "x/a: the first line has more than 1,048,576 bytes" in refused.value.message


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b'{"n": 2}' + b"null " * 2_000, "more than 1,000 rows"),
        (b'{"n": 1}' * 2_000, "more than 1,000 objects and lists"),
    ],
)
def test_line_of_json__of_very_many_rows_is_refused(line: bytes, what: str) -> None:
    with pytest.raises(Invalid) as refused:
        list(batches(b'{"n": 1}\n' + line + b"\n", ["n"], kind="json"))
    assert refused.value.message.startswith(f"x/a: line 2 has {what}.")


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (b"null\n", 1),
        (b"null", 1),
        (b'{"n": 1}\r\n\r\n \t null\r\n', 3),
        (b'{"n": 1}\rnull\r', 1),
        (b'{"n": 1}\n' * 1_000_000 + b"null\n" * 2_000_000, 1_000_001),
    ],
)
def test_row_of_json__that_is_null_is_refused_as_it_would_end_the_process(
    content: bytes, number: int
) -> None:
    with pytest.raises(Invalid) as refused:
        list(batches(content, ["n"], kind="json"))
    assert refused.value.code == "FILES_UNREADABLE"
    assert f"x/a: line {number:,} has null in place of an object" in refused.value.message


@pytest.mark.parametrize("size", range(1, 12))
def test_row_of_json__that_is_null_is_seen_wherever_what_is_read_ends(size: int) -> None:
    def read(content: bytes) -> bytes:
        lines = CheckedLines(io.BytesIO(content), "x/a")
        return b"".join(iter(lambda: lines.read(size), b""))

    for bad in (b'{"n": 1}\n   null\n', b'{"n": 1}  \r  null', b"   null"):
        with pytest.raises(Invalid) as refused:
            read(bad)
        assert "null in place" in refused.value.message
    good = b'{"n":\t null, "m": "null"}\n{"nulls": null}\n'
    assert read(good) == good


def test_line_of_json__with_many_values_that_are_null_is_taken() -> None:
    content = json.dumps({"text": "a", "deep": [None] * 5_000}).encode() + b"\n"
    found = [batch.to_pylist() for batch in batches(content, ["text"], kind="json")]
    assert found == [[{"text": "a"}]]


class Counted(io.BytesIO):
    """Bytes that count how many of them are read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        """As of any file."""
        found = super().read(size)
        self.taken += len(found)
        return found


def test_line_of_json__without_end_is_refused_before_all_of_it_is_read() -> None:
    content = b'{"n": 1}\n{"n": "' + b"x" * 100_000_000
    files: list[Counted] = []

    def opened() -> pa.PythonFile:
        files.append(Counted(content))
        return pa.PythonFile(files[-1], "r")

    wanted = [WantedColumn("n", "long", "n")]
    with pytest.raises(Invalid) as refused:
        list(rows_of(opened, "x/a.json", "json", wanted, known=True))
    assert refused.value.code == "FILES_UNREADABLE"
    assert "line 2 has more than 16,777,216 bytes" in refused.value.message
    assert sum(file.taken for file in files) < 50_000_000


def test_csv__that_lacks_most_columns_takes_little_memory() -> None:
    content = b"n,m\n" + b"1,\n" * 600_000
    names = ["n", *(f"c{number}" for number in range(200))]
    seen: list[int] = []
    held = most_held(batches(content, names, kind="csv"), lambda batch: seen.append(batch.num_rows))
    assert sum(seen) == 600_000
    assert held < 4 * raw_parquet.BATCH_BYTES
