"""Every function of the engine is classified, so that an upgrade opens none unseen."""

import duckdb
import pytest

from meshplane.services.query.sandbox import functions


def catalogue() -> set[tuple[str, str]]:
    query = "SELECT DISTINCT function_type, function_name FROM duckdb_functions()"
    rows = duckdb.connect().execute(query).fetchall()
    return {(kind, name.lower()) for kind, name in rows}


def test_functions__each_one_of_the_engine_is_classified() -> None:
    allowed, refused = functions.classes()
    assert catalogue() - allowed - refused == set()


def test_functions__none_is_classified_twice_or_unknown_to_the_engine() -> None:
    allowed, refused = functions.classes()
    assert allowed & refused == set()
    assert (allowed | refused) - catalogue() == set()


CLOSED = """
    current_setting getvariable stats vector_type nextval setseed write_log error current_query
    json_execute_serialized_sql json_serialize_sql query query_table read_text read_parquet
    alias version like_escape to_aggregate_state pg_sleep sleep_ms no_such_function getenv
"""


@pytest.mark.parametrize("name", CLOSED.split())
def test_functions__what_tells_of_the_engine_or_acts_may_not_be_called(name: str) -> None:
    assert not functions.may_call(name)


@pytest.mark.parametrize(
    "name", ["sum", "count_star", "lower", "list_transform", "md5", "row_number"]
)
def test_functions__what_only_computes_may_be_called(name: str) -> None:
    assert functions.may_call(name)


def test_functions__only_three_stand_in_from() -> None:
    tables = {name for kind, name in functions.classes().allowed if kind == "table"}
    assert tables == {"range", "generate_series", "unnest"} == functions.TABLE_FUNCTIONS
