"""Random texts for a row filter: good ones, some that fail on rows, some that try to get out."""

from random import Random

from tests.builders.random_expressions import Columns, Expressions

_ATTEMPTS = (
    "{} OR 1 = 1",
    "{}) OR (1 = 1",
    "{} --",
    "{} /* x",
    "/* x */ {} -- y",
    "{}; DROP TABLE t",
    "{} UNION SELECT 1",
    "{} ORDER BY 1",
    "{} LIMIT 1",
    "{} AND EXISTS (FROM t)",
    "{} AND id IN (SELECT id FROM t)",
    "{} AND (FROM t) IS NULL",
    "{} AND count(*) > 0",
    "{} AND row_number() OVER () > 0",
    "{} AND sum(id) OVER () > 0",
    "{} AND rowid > 0",
    "{} AND t.id > 0",
    "{} AND $1",
    "{} AND ?",
    "{} AND random() < 2",
    "{} AND current_setting('threads') = '1'",
    "{} AND COLUMNS(*) IS NOT NULL",
    "{} GROUP BY ALL",
    "{} QUALIFY true",
    "{} WINDOW w AS ()",
    "{} AND #1 = 1",
    "{} AND current_date > DATE '2000-01-01'",
    "{} AND now() IS NOT NULL",
    "{} AND in_group('staff')",
    "{} AND current_principal() = 'user:ana'",
    "{} AND in_group(name)",
    "{} AND in_group('a', 'b')",
    "CASE WHEN {} THEN true ELSE error('x') END",
    "NOT NOT ({})",
    "({})::BOOLEAN",
    "({})::VARCHAR = 'true'",
    "coalesce({}, false)",
    "({}) IS NOT DISTINCT FROM true",
    "list_filter([id], lambda x: {}) <> []",
    "{} = {}",
    "TRY({})",
    "({}) IN (true)",
    "{} COLLATE NOCASE IS NOT NULL",
    "{}\u0000",
    "{}\u2028",
    "\ufeff{}",
    "id",
    "id + 1",
    "NULL",
    "true",
    "",
)


class Filters(Expressions):
    """Writes filters over the columns of one table."""

    def __init__(self, random: Random, columns: Columns) -> None:
        super().__init__(random, failing=0.35)
        self._sight = {"t": columns}

    def filter(self) -> str:
        """One filter."""
        made = self.condition(self._sight, self.random.choice((0, 1, 2))).replace("t.", "")
        return self.pick(*_ATTEMPTS).replace("{}", made) if self.chance(0.4) else made
