"""Names as Step Functions writes them: the documents and their answers use ARNs."""

_PREFIX = "arn:aws:states:local:000000000000"


def machine_arn(name: str) -> str:
    """The ARN of a state machine."""
    return f"{_PREFIX}:stateMachine:{name}"


def execution_arn(execution_id: str) -> str:
    """The ARN of an execution, whose id is `machine:name`."""
    return f"{_PREFIX}:execution:{execution_id}"


def execution_id(machine: str, name: str) -> str:
    """The id of an execution; neither part holds a colon."""
    return f"{machine}:{name}"


def last_part(text: str) -> str:
    """The name at the end of an ARN or a URL; a plain name is itself."""
    return text.replace("/", ":").rstrip(":").rpartition(":")[2]
