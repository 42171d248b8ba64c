"""Data quality: DQDL rulesets of assets, their runs, and the scores.

A run reads one snapshot of the asset's table, within its request or, where that takes long, after
it: then it is `running` until it has ended. Its score, the share of rules that passed, travels to
the asset as an event. A rule that was not evaluated is never reported as passed. This service owns
the tables Rulesets and QualityRuns.
"""
