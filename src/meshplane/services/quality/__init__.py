"""Data quality: DQDL rulesets, the runs that evaluate them, and their scores."""
