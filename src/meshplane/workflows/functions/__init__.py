"""The platform's functions: what events, schedules and `lambda:invoke` start by name.

Each does its work through operations of the platform, so that policies, audit and idempotency are
those of any other caller. A function that is started twice with one key has one effect.
"""

from meshplane.workflows.functions.registry import FUNCTIONS, Function, function_named

__all__ = ["FUNCTIONS", "Function", "function_named"]
