"""What the stacks of projects are called. Pure."""

import hashlib
import re

_LONGEST_NAME = 128
_NAME = re.compile(r"[A-Za-z][-A-Za-z0-9]*")


def stack_name(project_id: str, environment: str, prefix: str = "") -> str:
    """The name of the one stack that an environment of a project has.

    Args:
        project_id: of the project.
        environment: `dev`, `staging` or `prod`.
        prefix: what names of the mesh's resources begin with.
    """
    wanted = f"{prefix}{project_id}-{environment}"
    if len(wanted) <= _LONGEST_NAME and _NAME.fullmatch(wanted):
        return wanted
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:16]
    # A letter must come first, and what is cut or replaced must not make two names one.
    readable = re.sub(r"[^A-Za-z0-9]+", "-", wanted).strip("-")[: _LONGEST_NAME - 20]
    return f"mp-{readable}-{digest}" if readable else f"mp-{digest}"
