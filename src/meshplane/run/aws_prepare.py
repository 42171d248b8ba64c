"""Makes in an account what a mesh needs there once; done again, it changes nothing.

Each step looks, makes, and looks again: so it tells what it found, not what it meant to do.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from meshplane.kit.errors import FieldProblem, Invalid, MeshplaneError, Refused
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected

Told = Literal[
    "made", "was there", "changed", "would be made", "would be changed", "missing", "not seen"
]
Seen = Literal["was there", "missing", "not seen"]

DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "UnauthorizedOperation",
        "Forbidden",
        "403",
    }
)
"""What AWS's services say where IAM does not allow a call."""

# Where the action's service is not called what botocore calls it, and where an operation's
# permission has another name than the operation.
_PREFIXES = {"stepfunctions": "states"}
_ACTIONS = {
    ("s3", "head_bucket"): "ListBucket",
    ("s3", "put_bucket_encryption"): "PutEncryptionConfiguration",
    ("s3", "get_bucket_encryption"): "GetEncryptionConfiguration",
    ("s3", "put_public_access_block"): "PutBucketPublicAccessBlock",
    ("s3", "get_public_access_block"): "GetBucketPublicAccessBlock",
    ("s3", "put_bucket_lifecycle_configuration"): "PutLifecycleConfiguration",
    ("s3", "get_bucket_lifecycle_configuration"): "GetLifecycleConfiguration",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is made once.

    Args:
        part: of the setting `aws_parts`, which needs it.
        what: it is, for people: `queue meshplane-rules`.
        look: how it is now, for comparing; None if it is not there.
        make: makes it, or brings it to what it should be; as often as one likes.
        lacks: what of it is not as it should be, for people; asked where it is there.
        settings: variables by which others find it; asked where it is there.
    """

    part: str
    what: str
    look: Callable[[], Awaitable[object | None]]
    make: Callable[[], Awaitable[object]]
    lacks: Callable[[], Awaitable[Sequence[str]]] | None = None
    settings: Callable[[], Awaitable[Mapping[str, str]]] | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """One thing that others make, and a setting names.

    Args:
        part: of the setting `aws_parts`, or `all`, which needs it.
        what: it is, for people: `role meshplane`.
        setting: that names it.
        ask: whether it is there; `not seen`, where that cannot be told from this account.
        advice: for people, where it is not seen to be there.
    """

    part: str
    what: str
    setting: str
    ask: Callable[[], Awaitable[Seen]]
    advice: str


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a step; `details` for people, `settings` by which others find it."""

    part: str
    what: str
    told: Told
    details: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)


async def demand_account(aws: Aws) -> None:
    """Makes sure that the credentials hold, and are of the mesh's account.

    Raises:
        Invalid: ACCOUNT_NOT_MEANT, they are of another.
        AwsRejected, AwsUnavailable: they do not hold, or there are none.
    """
    told = await aws.call("sts", "get_caller_identity")
    if told["Account"] != aws.place.account:
        raise Invalid(
            "ACCOUNT_NOT_MEANT",
            "The credentials are of another account than MESHPLANE_AWS_ACCOUNT. Nothing is done.",
            field="aws_account",
        )


async def prepare(steps: Sequence[Step | Given], *, plan: bool = False) -> AsyncIterator[Done]:
    """Takes the steps in their order, and tells of each.

    Args:
        steps: what is needed. Nothing is made that comes after something missing.
        plan: changes nothing, and tells what would be made. Of what is there, only what a step
            can compare is told to be changed.

    Raises:
        Invalid: PRINCIPAL_MISSING, settings name what is not there; with a plan, at its end.
        Refused: AWS_NOT_ALLOWED, naming the action of IAM that lacked.
        MeshplaneError: as the step.
    """
    missing: list[Given] = []
    for step in steps:
        if missing and not plan and isinstance(step, Step):
            raise _missing(missing)
        try:
            done = await _done(step, plan=plan)
        except MeshplaneError as error:
            raise _named(error, step) from error
        if isinstance(step, Given) and done.told == "missing":
            missing.append(step)
        yield done
    if missing:
        raise _missing(missing)


async def _done(step: Step | Given, *, plan: bool) -> Done:
    if isinstance(step, Step):
        return await (_planned(step) if plan else _made(step))
    seen = await step.ask()
    details = () if seen == "was there" else (f"Setting {step.setting}: {step.advice}",)
    return Done(step.part, step.what, seen, details)


def _missing(given: Sequence[Given]) -> Invalid:
    told = "; ".join(f"{one.setting} names the {one.what}" for one in given)
    return Invalid(
        "PRINCIPAL_MISSING",
        f"Settings name what is not in the account: {told}. IAM takes no policy that trusts them: "
        "make them first, or correct the settings (an ARN has the path of a role in it), and start "
        "again.",
        fields=[FieldProblem(one.setting, f"names the {one.what}, missing") for one in given],
    )


async def _planned(step: Step) -> Done:
    if await step.look() is None:
        return Done(step.part, step.what, "would be made")
    lacking = tuple(await step.lacks()) if step.lacks is not None else ()
    told: Told = "would be changed" if lacking else "was there"
    return Done(step.part, step.what, told, lacking, await _settings(step))


async def _made(step: Step) -> Done:
    before = await step.look()
    lacking = tuple(await step.lacks()) if step.lacks is not None and before is not None else ()
    await step.make()
    if before is None:
        return Done(step.part, step.what, "made", settings=await _settings(step))
    changed = lacking or await step.look() != before
    told: Told = "changed" if changed else "was there"
    return Done(step.part, step.what, told, lacking, await _settings(step))


async def _settings(step: Step) -> Mapping[str, str]:
    return {} if step.settings is None else await step.settings()


def _named(error: MeshplaneError, step: Step | Given) -> MeshplaneError:
    """The error; of a call that IAM did not allow, one that names the action."""
    found: BaseException | None = error
    # Adapters may have made something of the refusal.
    while found is not None and not isinstance(found, AwsRejected):
        found = found.__cause__
    if found is None or found.aws_code not in DENIED:
        return error
    return Refused(
        "AWS_NOT_ALLOWED",
        f"IAM does not allow {action_of(found.service, found.operation)}, which {step.what} "
        f"(part {step.part}) needs. Allow it to who prepares the account, and start again: what is "
        "made already stays.",
    )


def action_of(service: str, operation: str) -> str:
    """The action of IAM that a call needs: `states:CreateStateMachine`.

    Source: Service Authorization Reference. Nearly every action has its operation's name.
    """
    name = _ACTIONS.get((service, operation))
    if name is None:
        name = "".join(word.capitalize() for word in operation.split("_"))
    return f"{_PREFIXES.get(service, service)}:{name}"
