"""The positive lists of the gate: what the engine's serialised parse tree may be made of.

The engine writes each node of its tree with a fixed set of fields. Every field that may occur is
listed here with what it holds; a node, a type or a field that is not listed is refused, so that a
construct that a later engine adds stays closed until someone has looked at it.

What a field may hold:
    plain      a name, a number, a flag, or lists of such; nothing that is evaluated
    empty      nothing at all
    expr(s)    one expression (or none), a list of them
    args       a list of `{name, expression}`
    order      one `ORDER BY` of an aggregate; `orders` a list of its terms
    query      `{node: …}`; `node` a query node itself, `nodes` a list of them
    table      a table reference
    ctes, modifiers, cases, replacements, pivots, rows, call: each its own shape, see `gate.py`
"""

COMMON = frozenset({"class", "type", "alias", "query_location", "query_location_length"})

# class -> (types, field -> what it holds)
EXPRESSIONS: dict[str, tuple[frozenset[str], dict[str, str]]] = {
    "BETWEEN": (
        frozenset({"COMPARE_BETWEEN"}),
        {"input": "expr", "lower": "expr", "upper": "expr"},
    ),
    "CASE": (frozenset({"CASE_EXPR"}), {"case_checks": "cases", "else_expr": "expr"}),
    "CAST": (
        frozenset({"OPERATOR_CAST"}),
        {"child": "expr", "try_cast": "plain", "type_expr": "expr"},
    ),
    "COLLATE": (frozenset({"COLLATE"}), {"child": "expr", "collation": "plain"}),
    "COLUMN_REF": (frozenset({"COLUMN_REF"}), {"column_names": "plain"}),
    "COMPARISON": (
        frozenset(
            {
                "COMPARE_DISTINCT_FROM",
                "COMPARE_EQUAL",
                "COMPARE_GREATERTHAN",
                "COMPARE_GREATERTHANOREQUALTO",
                "COMPARE_LESSTHAN",
                "COMPARE_LESSTHANOREQUALTO",
                "COMPARE_NOTEQUAL",
                "COMPARE_NOT_DISTINCT_FROM",
            }
        ),
        {"left": "expr", "right": "expr"},
    ),
    "CONJUNCTION": (frozenset({"CONJUNCTION_AND", "CONJUNCTION_OR"}), {"children": "exprs"}),
    "CONSTANT": (frozenset({"VALUE_CONSTANT"}), {"literal": "literal"}),
    "FUNCTION": (
        frozenset({"FUNCTION"}),
        {
            "function_name": "plain",
            "schema": "empty",
            "catalog": "empty",
            "qualified_name": "path",
            "arguments": "args",
            "filter": "expr",
            "order_bys": "order",
            "distinct": "plain",
            "is_operator": "plain",
            "export_state": "empty",
        },
    ),
    "LAMBDA": (frozenset({"LAMBDA"}), {"lhs": "expr", "expr": "expr", "syntax_type": "plain"}),
    "OPERATOR": (
        frozenset(
            {
                "ARRAY_CONSTRUCTOR",
                "ARRAY_EXTRACT",
                "ARRAY_SLICE",
                "COMPARE_IN",
                "COMPARE_NOT_IN",
                "GROUPING_FUNCTION",
                "OPERATOR_COALESCE",
                "OPERATOR_IS_NOT_NULL",
                "OPERATOR_IS_NULL",
                "OPERATOR_NOT",
                "OPERATOR_NULLIF",
                "OPERATOR_TRY",
                "OPERATOR_UNPACK",
                "STRUCT_EXTRACT",
            }
        ),
        {"children": "exprs"},
    ),
    "PARAMETER": (frozenset({"VALUE_PARAMETER"}), {"identifier": "plain"}),
    "STAR": (
        frozenset({"STAR"}),
        {
            "relation_name": "plain",
            "exclude_list": "plain",
            "replace_list": "replacements",
            "columns": "plain",
            "expr": "expr",
            "qualified_exclude_list": "names",
            "rename_list": "names",
        },
    ),
    "SUBQUERY": (
        frozenset({"SUBQUERY"}),
        {
            "subquery_type": "plain",
            "subquery": "query",
            "child": "expr",
            "comparison_type": "plain",
        },
    ),
    "TYPE": (
        frozenset({"TYPE"}),
        {
            "catalog": "empty",
            "schema": "empty",
            "type_name": "plain",
            "children": "exprs",
            "qualified_name": "path",
        },
    ),
    "WINDOW": (
        frozenset(
            {
                "WINDOW_AGGREGATE",
                "WINDOW_CUME_DIST",
                "WINDOW_FILL",
                "WINDOW_FIRST_VALUE",
                "WINDOW_LAG",
                "WINDOW_LAST_VALUE",
                "WINDOW_LEAD",
                "WINDOW_NTH_VALUE",
                "WINDOW_NTILE",
                "WINDOW_PERCENT_RANK",
                "WINDOW_RANK",
                "WINDOW_RANK_DENSE",
                "WINDOW_ROW_NUMBER",
            }
        ),
        {
            "function_name": "plain",
            "schema": "empty",
            "catalog": "empty",
            "qualified_name": "path",
            "arguments": "args",
            "partitions": "exprs",
            "orders": "orders",
            "start": "plain",
            "end": "plain",
            "start_expr": "expr",
            "end_expr": "expr",
            "offset_expr": "expr",
            "default_expr": "expr",
            "ignore_nulls": "plain",
            "has_ignore_nulls": "plain",
            "filter_expr": "expr",
            "exclude_clause": "plain",
            "distinct": "plain",
            "arg_orders": "orders",
        },
    ),
}

QUERIES: dict[str, dict[str, str]] = {
    "SELECT_NODE": {
        "modifiers": "modifiers",
        "cte_map": "ctes",
        "select_list": "exprs",
        "from_table": "table",
        "where_clause": "expr",
        "group_expressions": "exprs",
        "group_sets": "plain",
        "aggregate_handling": "plain",
        "having": "expr",
        "sample": "sample",
        "qualify": "expr",
    },
    "SET_OPERATION_NODE": {
        "modifiers": "modifiers",
        "cte_map": "ctes",
        "setop_type": "plain",
        "setop_all": "plain",
        "left": "empty",
        "right": "empty",
        "children": "nodes",
    },
    "RECURSIVE_CTE_NODE": {
        "modifiers": "modifiers",
        "cte_map": "ctes",
        "cte_name": "plain",
        "union_all": "plain",
        "left": "node",
        "right": "node",
        "aliases": "plain",
        "key_targets": "exprs",
    },
}

MODIFIERS: dict[str, dict[str, str]] = {
    "ORDER_MODIFIER": {"orders": "orders"},
    "LIMIT_MODIFIER": {"limit": "expr", "offset": "expr", "limit_type": "plain"},
    "DISTINCT_MODIFIER": {"distinct_on_targets": "exprs"},
}

ORDERS = frozenset({"ORDER_DEFAULT", "ASCENDING", "DESCENDING"})

TABLES: dict[str, dict[str, str]] = {
    "EMPTY": {"sample": "sample"},
    "BASE_TABLE": {
        "sample": "sample",
        "schema_name": "plain",
        "table_name": "plain",
        "catalog_name": "plain",
        "column_name_alias": "plain",
        "at_clause": "at",
        "qualified_name": "plain_path",
    },
    "SUBQUERY": {"sample": "sample", "subquery": "query", "column_name_alias": "plain"},
    "JOIN": {
        "sample": "sample",
        "left": "table",
        "right": "table",
        "condition": "expr",
        "join_type": "join_type",
        "ref_type": "ref_type",
        "using_columns": "plain",
        "delim_flipped": "empty",
        "duplicate_eliminated_columns": "empty",
        "is_implicit": "plain",
        "ranking_expression": "empty",
        "nearest_count": "plain",
        "nearest_order_type": "plain",
        "nearest_approx": "empty",
    },
    "EXPRESSION_LIST": {
        "sample": "sample",
        "expected_names": "plain",
        "expected_types": "empty",
        "values": "rows",
    },
    "TABLE_FUNCTION": {
        "sample": "sample",
        "function": "call",
        "column_name_alias": "plain",
        "with_ordinality": "plain",
    },
    "PIVOT": {
        "sample": "sample",
        "source": "table",
        "aggregates": "exprs",
        "unpivot_names": "plain",
        "pivots": "pivots",
        "groups": "plain",
        "column_name_alias": "plain",
        "include_nulls": "plain",
    },
}

JOIN_TYPES = frozenset({"INNER", "LEFT", "RIGHT", "FULL", "OUTER", "SEMI", "ANTI"})
REF_TYPES = frozenset({"REGULAR", "NATURAL", "CROSS", "ASOF"})

# What a person calls a node that is not on a list.
CONSTRUCTS = {
    "INSERT_QUERY_NODE": "INSERT inside WITH",
    "UPDATE_QUERY_NODE": "UPDATE inside WITH",
    "DELETE_QUERY_NODE": "DELETE inside WITH",
    "MERGE_QUERY_NODE": "MERGE inside WITH",
    "COPY_QUERY_NODE": "COPY inside WITH",
    "SHOW_REF": "SHOW, SUMMARIZE, and DESCRIBE of anything but one table,",
    "POSITIONAL_REFERENCE": "A reference by position (#1)",
    "DEFAULT": "DEFAULT",
    "POSITIONAL": "POSITIONAL JOIN",
}

# Names of built-in types, as the parser leaves them.
_TYPES = """
    json array bigint bignum binary bit bitstring blob bool boolean bpchar bytea char date datetime
    dec decimal double enum float float4 float8 guid hugeint int int1 int128 int16 int2 int32 int4
    int64 int8 integer integral interval list logical long map null numeric nvarchar real row short
    signed smallint string struct text time time_ns timestamp timestamp_ms timestamp_ns timestamp_s
    timestamp_us timestamptz timestamptz_ns timetz tinyint tuple ubigint uhugeint uint128 uint16
    uint32 uint64 uint8 uinteger union usmallint utinyint uuid varbinary varchar variant varint
"""
TYPES = frozenset(_TYPES.split()) | {
    "time with time zone",
    "timestamp with time zone",
    "double precision",
    "character varying",
}
