"""Looks at a template with cfn-lint before it is accepted.

Templates are strangers' text. cfn-lint runs in a process of its own, without this one's
environment, that may neither connect anywhere, nor start anything, nor read but what it is made of,
and that ends at a deadline.
"""

import asyncio
import hashlib
import json
import math
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from meshplane.kit.errors import FieldProblem, Invalid, LimitReached, TooLarge, Unavailable

_LONGEST_BYTES = 1_048_576
_DEADLINE_SECONDS = 30.0
_BUSY = 4
_MOST_SHOWN = 50
_MOST_KNOWN = 64
_MISSING = "not installed"
_WORKER = "meshplane.platform.templates.lint_worker"
_REGION = "us-east-1"
"""Where templates are checked for that are only recorded: it has every resource there is."""

Lint = Callable[[str], Awaitable[tuple[FieldProblem, ...]]]
"""Gives the warnings of a template; refuses one with errors."""


def lint_for(region: str | None) -> Lint | None:
    """Looks at templates that shall run in a region of AWS.

    Args:
        region: which; None: they are only recorded, and are looked at where cfn-lint is installed,
            which comes with the extra `aws`.

    Returns:
        None where nobody can look.
    """
    if region is None and find_spec("cfnlint") is None:
        return None
    return TemplateLint(region or _REGION).check


@dataclass(frozen=True, slots=True)
class Finding:
    """What cfn-lint says of a place in a template.

    Args:
        rule: its id: `E3003`; `E…` are errors, `W…` warnings.
        place: logical path: `Resources.Inbox.Properties`; empty where there is none.
        line: of the text, from 1.
        message: without the template's values.
    """

    rule: str
    place: str
    line: int
    message: str

    def problem(self) -> FieldProblem:
        """As a problem of the request's field `cfnTemplate`."""
        field = f"cfnTemplate.{self.place}" if self.place else "cfnTemplate"
        return FieldProblem(field, f"{self.rule}, line {self.line}: {self.message}")


class TemplateLint:
    """cfn-lint, a few at a time.

    Args:
        region: where the template shall run; which resources and properties there are depends on
            it.
        deadline_seconds: the processor time that one template may take; on a busy machine it may
            take four times as long.
        together: how many are looked at at once; more wait.
    """

    def __init__(
        self, region: str, *, deadline_seconds: float = _DEADLINE_SECONDS, together: int = 2
    ) -> None:
        self._region = region
        self._deadline_seconds = deadline_seconds
        self._turns = asyncio.Semaphore(together)
        # A promotion deploys one template to two environments, and a plan is often made again.
        self._known: dict[bytes, list[Finding]] = {}

    async def check(self, template: str) -> tuple[FieldProblem, ...]:
        """The warnings of a template without errors.

        Args:
            template: JSON or YAML, up to 1 MB.

        Raises:
            Invalid: TEMPLATE_INVALID, with the errors; the first 50 of each.
            TooLarge: TEMPLATE_TOO_LARGE.
            LimitReached: TEMPLATE_TOO_SLOW, it takes too long to look at.
            Unavailable: LINT_NOT_INSTALLED, LINT_FAILED.
        """
        findings = await self.findings(template)
        if errors := [each for each in findings if each.rule.startswith("E")]:
            raise Invalid(
                "TEMPLATE_INVALID",
                "The template has errors that cfn-lint finds: each is listed with its rule.",
                fields=[each.problem() for each in errors[:_MOST_SHOWN]],
            )
        return tuple(each.problem() for each in findings[:_MOST_SHOWN])

    async def findings(self, template: str) -> list[Finding]:
        """Errors and warnings of a template, as they stand in it; errors as `check` has them."""
        data = template.encode()
        if len(data) > _LONGEST_BYTES:
            raise TooLarge(
                "TEMPLATE_TOO_LARGE",
                f"A template has up to {_LONGEST_BYTES:,} bytes: split it into nested stacks.",
                field="cfnTemplate",
            )
        digest = hashlib.sha256(data).digest()
        known = self._known.get(digest)
        if known is not None:
            return known
        async with self._turns:
            answer = await self._answer(data)
        if answer.get("problem") == _MISSING:
            raise Unavailable(
                "LINT_NOT_INSTALLED",
                "Templates cannot be checked here: install the mesh with the extra `aws`.",
            )
        found = [Finding(**each) for each in answer["findings"]]
        self._known[digest] = found
        for old in list(self._known)[:-_MOST_KNOWN]:
            del self._known[old]
        return found

    async def _answer(self, data: bytes) -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="lint-") as folder:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-P", "-s", "-B", "-m", _WORKER),
                *(self._region, str(math.ceil(self._deadline_seconds))),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=folder,
                env=_environment(folder),
            )
            try:
                async with asyncio.timeout(self._deadline_seconds * _BUSY):
                    told, _ = await process.communicate(data)
            except TimeoutError:
                raise _too_slow() from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode is not None and process.returncode < 0:
            # The kernel ended it: its processor time or memory was used up.
            raise _too_slow()
        try:
            answer: dict[str, Any] = json.loads(told)
        except ValueError:
            raise Unavailable(
                "LINT_FAILED", "cfn-lint could not look at the template: try again."
            ) from None
        return answer


def _environment(folder: str) -> dict[str, str]:
    # Nothing of ours goes along: not credentials, above all.
    paths = [path for path in sys.path if path and Path(path).is_dir()]
    return {"HOME": folder, "PYTHONPATH": os.pathsep.join(paths), "LANG": "C.UTF-8"}


def _too_slow() -> LimitReached:
    return LimitReached(
        "TEMPLATE_TOO_SLOW",
        "It takes too long to check this template: make it simpler, or split it.",
    )
