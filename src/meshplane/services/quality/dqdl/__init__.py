"""Data quality rulesets in DQDL: text to rules, and rules to one scan of a table.

`parse` reads a ruleset, `check_supported` says before a run whether every rule of it can be
evaluated on a table, and `evaluate` runs it. The language is the Data Quality Definition Language
of AWS Glue (https://docs.aws.amazon.com/glue/latest/dg/dqdl.html).

Invariants: a rule that was not evaluated is never reported as passed; no text of a ruleset becomes
SQL (columns are quoted by one function, values are bound); a message carries no value of the data.
"""

from meshplane.services.quality.dqdl.evaluate import evaluate
from meshplane.services.quality.dqdl.model import Ruleset
from meshplane.services.quality.dqdl.parse import parse
from meshplane.services.quality.dqdl.result import Outcome, QualityResult, RuleResult
from meshplane.services.quality.dqdl.supported import check_supported

__all__ = [
    "Outcome",
    "QualityResult",
    "RuleResult",
    "Ruleset",
    "check_supported",
    "evaluate",
    "parse",
]
