"""The process that runs cfn-lint over one template: text in, findings out as JSON.

Called as `python -m … REGION SECONDS` with the template on its standard input.
"""

import json
import os
import re
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LONGEST_BYTES = 1_048_576
_MEMORY_BYTES = 2 << 30
_MOST_FINDINGS = 200
_LONGEST_PLACE = 300
# What reaches out of the process, by the names of Python's audit events.
_REFUSED = (
    "socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn",
    "os.kill", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink",
    "os.chmod", "os.chown", "os.truncate", "pty.", "shutil.", "urllib.", "http.", "ftplib.",
    "ctypes.",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NO_MAPPING = "The template is no mapping of sections"
# What a required thing is called is the words of CloudFormation's schema, not the template's.
_REQUIRED = re.compile(r"'[A-Za-z0-9]{1,64}' is a required property")


def main() -> None:
    """Reads the template, and writes `{"findings": […]}` or `{"problem": "…"}`."""
    region, seconds = sys.argv[1], int(sys.argv[2])
    text = sys.stdin.buffer.read(_LONGEST_BYTES + 1).decode()
    _limit(seconds)
    try:
        import cfnlint
        from cfnlint.config import ConfigMixIn
        from cfnlint.decode.decode import decode_str
        from cfnlint.runner import Runner
    except ImportError:
        _tell({"problem": "not installed"})
        return
    sys.addaudithook(guard(str(Path(cfnlint.__file__).parents[1])))
    template, problems = decode_str(text)
    matches = list(problems or ())
    if not matches and not isinstance(template, dict):
        _tell({"findings": [{"rule": "E0000", "place": "", "line": 1, "message": _NO_MAPPING}]})
        return
    if not matches:
        _without_settings(template)
        matches = list(Runner(ConfigMixIn(regions=[region])).validate_template(template))
    findings = [_finding(match) for match in matches if match.rule.id[:1] in {"E", "W"}]
    # Errors first, so that what is cut off is the least of it.
    findings.sort(key=lambda one: (one["rule"][0], one["line"], one["place"], one["rule"]))
    _tell({"findings": findings[:_MOST_FINDINGS]})


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer))


def _without_settings(template: dict[str, Any]) -> None:
    """Takes out what would have a template choose its own rules, or name files to read."""
    resources = template.get("Resources")
    parts = [template, *(resources.values() if isinstance(resources, dict) else ())]
    for part in parts:
        metadata = part.get("Metadata") if isinstance(part, dict) else None
        if isinstance(metadata, dict):
            metadata.pop("cfn-lint", None)


def _finding(match: Any) -> dict[str, Any]:
    path = getattr(match, "path", None) or ()
    required = _REQUIRED.search(match.message)
    return {
        "rule": match.rule.id,
        "place": ".".join(str(each) for each in path)[:_LONGEST_PLACE],
        "line": match.linenumber,
        "message": required.group(0) if required else match.rule.shortdesc,
    }


def _limit(seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def guard(*more: str) -> Callable[[str, tuple[Any, ...]], None]:
    """Refuses whatever reaches out of the process.

    Args:
        more: folders that may be read besides Python's own.
    """
    readable = tuple(
        os.path.realpath(each) + os.sep for each in (sys.prefix, sys.base_prefix, *more)
    )

    def refuse(event: str, arguments: tuple[Any, ...]) -> None:
        if event.startswith(_REFUSED):
            raise PermissionError("not here")
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, int):
                return
            where = os.path.realpath(os.fsdecode(path))
            if (flags or 0) & _WRITING or not where.startswith(readable):
                raise PermissionError("not here")

    return refuse


if __name__ == "__main__":
    main()
