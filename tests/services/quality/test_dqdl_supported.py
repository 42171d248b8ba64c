"""What is refused before a run, and with which code."""

import subprocess
import sys

import pytest

from meshplane.kit.errors import Invalid
from meshplane.services.quality.dqdl import check_supported, parse
from meshplane.services.quality.dqdl.catalogue import RULE_TYPES
from meshplane.services.quality.dqdl.plan import PLANNERS

COLUMNS = {
    "id": "BIGINT",
    "name": "VARCHAR",
    "born": "DATE",
    "tags": "VARCHAR[]",
    "home": "STRUCT(city VARCHAR)",
    "kind": "ENUM('a', 'b')",
    "price": "DECIMAL(10,2)",
}


def refusal(text: str) -> Invalid:
    with pytest.raises(Invalid) as caught:
        check_supported(parse(text), COLUMNS)
    assert [problem.field for problem in caught.value.fields] == ["ruleset"]
    return caught.value


def test_rules_that_can_be_evaluated__are_let_through() -> None:
    check_supported(
        parse(
            """Rules = [
                RowCount > 0, IsPrimaryKey "id", ColumnValues "name" matches "[a-z]+",
                Mean "price" > 0, DataFreshness "born" < 9 days, Completeness "tags" > 0.5,
                (IsComplete "home") or (ColumnValues "kind" in ["a"]), ColumnExists "gone"
            ]"""
        ),
        COLUMNS,
    )


@pytest.mark.parametrize(
    ("rule", "code", "said"),
    [
        ('CustomSql "select 1" > 0', "RULE_UNSUPPORTED", "CustomSql in line 1"),
        ('DetectAnomalies "RowCount"', "RULE_UNSUPPORTED", "DetectAnomalies in line 1"),
        ("FileSize > 5 MB", "RULE_UNSUPPORTED", "FileSize in line 1"),
        ('IsComplete "id" where "id > 0"', "RULE_UNSUPPORTED", "a where clause is SQL"),
        ("RowCount > avg(last(10))", "RULE_UNSUPPORTED", "earlier runs by avg()"),
        ('ColumnValues "id" > last(1)', "RULE_UNSUPPORTED", "earlier runs by last()"),
        ("RowCount > 1 / (2 - 2)", "RULE_UNSUPPORTED", "divides by zero"),
        (f"RowCount > {'1+' * 300}1", "RULE_UNSUPPORTED", "over 200 terms"),
        ('ColumnValues "name" matches "(a"', "RULE_UNSUPPORTED", "RE2"),
        ('ColumnNamesMatchPattern "(?<!a)b"', "RULE_UNSUPPORTED", "RE2"),
        ('ColumnValues "born" > "9:30 AM"', "RULE_UNSUPPORTED", "a time of day"),
        ('ColumnDataType "name" = "MONEY"', "RULE_UNSUPPORTED", "not one of BOOLEAN"),
        ('ColumnDataType "name" = "DECIMAL(39,2)"', "RULE_UNSUPPORTED", "not one of BOOLEAN"),
        ('ColumnDataType "name" in ["DATE"]', "RULE_UNSUPPORTED", "= or !="),
        ('ColumnDataType "name" = "DATE" with format = "x"', "RULE_UNSUPPORTED", "date format"),
        ('RowCount > 0 with speed = "high"', "RULE_UNSUPPORTED", "the setting speed"),
        ('ColumnValues "name" = "a" with ignoreCase = "si"', "RULE_UNSUPPORTED", "ignoreCase"),
        ('IsComplete "gone"', "RULE_COLUMN_UNKNOWN", "no column gone"),
        ('IsComplete "ID"', "RULE_COLUMN_UNKNOWN", "there is id"),
        ('IsUnique "id" "gone"', "RULE_COLUMN_UNKNOWN", "no column gone"),
        ('(RowCount > 0) and (IsUnique "gone")', "RULE_COLUMN_UNKNOWN", "no column gone"),
        ('Mean "name" > 0', "RULE_COLUMN_TYPE", "holds texts; this rule needs numbers"),
        ('ColumnLength "id" > 0', "RULE_COLUMN_TYPE", "needs texts"),
        ('ColumnValues "tags" = "x"', "RULE_COLUMN_TYPE", "nested"),
        ('ColumnValues "born" > 5', "RULE_COLUMN_TYPE", "holds dates"),
        ('DataFreshness "id" < 5 days', "RULE_COLUMN_TYPE", "holds numbers"),
    ],
)
def test_what_cannot_be_evaluated__is_refused_by_name(rule: str, code: str, said: str) -> None:
    problem = refusal(f"Rules = [ {rule} ]")
    assert problem.code == code
    assert said in problem.message


def test_refusal__names_the_line_and_the_rule_type() -> None:
    problem = refusal('Rules = [\n  RowCount > 0,\n  SchemaMatch "other" > 0.5\n]')
    assert problem.details == {"rule_type": "SchemaMatch", "line": 3}


def test_analyzers__are_refused_as_nobody_would_run_them() -> None:
    problem = refusal('Rules = [ RowCount > 0 ] Analyzers = [ Completeness "id" ]')
    assert problem.code == "RULE_UNSUPPORTED"
    assert "Completeness in line 1" in problem.message


def test_too_many_sets_of_unique_columns__are_refused() -> None:
    columns = {f"c{i}": "INTEGER" for i in range(70)}
    rules = ", ".join(f'IsUnique "c{i}"' for i in range(70))
    with pytest.raises(Invalid) as caught:
        check_supported(parse(f"Rules = [ {rules} ]"), columns)
    assert caught.value.code == "RULESET_TOO_COSTLY"


def test_every_planned_rule_type__is_one_of_the_language() -> None:
    assert set(PLANNERS) <= set(RULE_TYPES)


def test_import__loads_neither_the_engine_nor_the_grammar() -> None:
    code = (
        "import sys, meshplane.services.quality.dqdl\n"
        "sys.stdout.write(str({'duckdb', 'lark', 'pyarrow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "set()"
