"""The one domain of DataZone that a mesh is, and who acts in it.

A subscription never leaves a domain of DataZone, and in a mesh it is between domains that data is
shared: so the whole mesh is one domain of DataZone, and each domain of the mesh is a unit of it.

Needs AWS: whether the roles exist and may be assumed, and how long a domain takes.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.identity import own_arn
from meshplane.platform.aws.polling import until

MISSING, CONFLICT = "ResourceNotFoundException", "ConflictException"
TYPES_PROJECT = "meshplane"
"""The project that owns what belongs to no project of the mesh: form types and asset types."""

T = TypeVar("T")

_MOST_GRAVES = 20
_MEMBER_KINDS = {":role/": "IAM_ROLE", ":user/": "IAM_USER"}
WAIT_SECONDS = 3.0
"""How long anybody waits in one go for what DataZone does in its own time; then he comes again."""


def token_of(*parts: str) -> str:
    """A client token that is the same for the same parts: a call repeated has one effect.

    A change of what is sent must change a part, as DataZone refuses a token with other parameters.
    """
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


async def made_once(
    create: Callable[[str], Awaitable[str]], look: Callable[[str], Awaitable[T | None]]
) -> T:
    """Makes something under a stable token, and gives it as it is now.

    A token stands for the first answer for as long as DataZone remembers it, even when what was
    made then has been deleted since. So it is looked at, and made under another if it is gone.

    Args:
        create: makes it, given what the token is to hold besides; gives its id.
        look: gives it by its id; None if it is gone.

    Raises:
        Unavailable: PORTAL_NOT_READY, it was deleted again and again.
    """
    after = ""
    for _ in range(_MOST_GRAVES):
        identifier = await create(after)
        there = await look(identifier)
        if there is not None:
            return there
        after = f"after {identifier}"
    raise Unavailable("PORTAL_NOT_READY", "What is made in the portal is deleted there. See to it.")


async def made_or_found(make: Awaitable[T], find: Callable[[], Awaitable[T | None]]) -> T:
    """What is made; or what is there already, where DataZone says that its name is taken.

    Args:
        make: makes it.
        find: finds what has its name; None while DataZone does not list it yet.

    Raises:
        Unavailable: PORTAL_NOT_READY, it is there and not listed.
    """
    try:
        return await make
    except AwsRejected as error:
        if error.aws_code != CONFLICT:
            raise
        found = await find()
        if found is None:
            raise not_listed_yet() from error
        return found


async def there_or_none(ask: Awaitable[T]) -> T | None:
    """What DataZone answers; None where there is no such thing."""
    try:
        return await ask
    except AwsRejected as error:
        if error.aws_code == MISSING:
            return None
        raise


def not_listed_yet() -> Unavailable:
    """The error for what DataZone has and does not list; it is asked again."""
    return Unavailable("PORTAL_NOT_READY", "The portal does not list what it has yet. Try again.")


class DataZone:
    """Finds or makes the mesh's domain, once, and says who acts in it.

    Args:
        aws: as the mesh's own role.
        name: of the domain.
        execution_role: ARN of the role with which a new domain works.
        acting: gives AWS as the role of a project of the mesh sees it, by the project's id. What a
            project asks for must be asked by one who could not decide it.
        wait_seconds: how long a call waits for a new domain before it is to come again.
    """

    def __init__(
        self,
        aws: Aws,
        *,
        name: str,
        execution_role: str,
        acting: Callable[[str], Aws],
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self.aws = aws
        self.acting = acting
        self.name, self._execution_role = name, execution_role
        self._wait_seconds = wait_seconds
        self._turn = asyncio.Lock()
        self._domain: tuple[str, str] | None = None
        self._types_project: str | None = None
        self._own: str | None = None
        self._profiles: dict[str, str] = {}

    async def domain(self) -> str:
        """The id of the domain, which is AVAILABLE, and in which the mesh's role is a user."""
        return (await self._ready())[0]

    async def found(self) -> str | None:
        """The id of the domain, if there is one; none is made."""
        return self._domain[0] if self._domain is not None else await self._find()

    async def root(self) -> str:
        """The id of its root unit."""
        return (await self._ready())[1]

    async def own_profile(self) -> str:
        """The id of the mesh's own user profile; empty where its principal can have none."""
        domain = await self.domain()
        if self._own is None:
            arn = await own_arn(self.aws)
            kind = next((kind for part, kind in _MEMBER_KINDS.items() if part in arn), None)
            self._own = await self._profile(domain, arn, kind) if kind else ""
        return self._own

    async def profile(self, arn: str) -> str:
        """The id of the user profile of a role or user of IAM; made where it is missing."""
        domain = await self.domain()
        if arn not in self._profiles:
            kind = next((kind for part, kind in _MEMBER_KINDS.items() if part in arn), "IAM_ROLE")
            self._profiles[arn] = await self._profile(domain, arn, kind)
        return self._profiles[arn]

    async def types_project(self) -> str:
        """The id of the project that owns form types and asset types."""
        domain = await self.domain()
        async with self._turn:
            if self._types_project is None:
                self._types_project = await self._find_project(domain, TYPES_PROJECT)
            if self._types_project is None:
                try:
                    made = await self.aws.call(
                        "datazone",
                        "create_project",
                        domainIdentifier=domain,
                        name=TYPES_PROJECT,
                        description="Types of the mesh",
                    )
                except AwsRejected as error:
                    if error.aws_code != CONFLICT:
                        raise
                    raise Unavailable(
                        "PORTAL_NOT_READY", "The portal does not list what it has yet. Try again."
                    ) from error
                self._types_project = str(made["id"])
            return self._types_project

    async def _find_project(self, domain: str, name: str) -> str | None:
        pages = self.aws.pages("datazone", "list_projects", domainIdentifier=domain, name=name)
        async for page in pages:
            for project in page["items"]:
                if project["name"] == name:
                    return str(project["id"])
        return None

    async def _ready(self) -> tuple[str, str]:
        async with self._turn:
            if self._domain is None:
                identifier = await self._find() or await self._create()
                root = await until(
                    "the portal's domain is available",
                    lambda: self._root_of(identifier),
                    self._wait_seconds,
                )
                arn = await own_arn(self.aws)
                kind = next((kind for part, kind in _MEMBER_KINDS.items() if part in arn), None)
                if kind is not None:
                    self._own = await self._profile(identifier, arn, kind)
                self._domain = (identifier, root)
            return self._domain

    async def _find(self) -> str | None:
        async for page in self.aws.pages("datazone", "list_domains"):
            for domain in page["items"]:
                if domain["name"] == self.name and domain["status"] in {"CREATING", "AVAILABLE"}:
                    return str(domain["id"])
        return None

    async def _create(self) -> str:
        async def create(after: str) -> str:
            made = await self.aws.call(
                "datazone",
                "create_domain",
                name=self.name,
                domainExecutionRole=self._execution_role,
                clientToken=token_of("domain", self.name, self._execution_role, after),
            )
            return str(made["id"])

        return await made_once(create, self._existing)

    async def _existing(self, identifier: str) -> str | None:
        ask = self.aws.call("datazone", "get_domain", identifier=identifier)
        return None if await there_or_none(ask) is None else identifier

    async def _root_of(self, identifier: str) -> str | None:
        domain = await self.aws.call("datazone", "get_domain", identifier=identifier)
        if domain["status"] == "AVAILABLE":
            return str(domain["rootDomainUnitId"])
        if domain["status"] != "CREATING":
            raise Unavailable(
                "PORTAL_UNAVAILABLE",
                f"The portal's domain is {domain['status']}. See to it in DataZone's console.",
            )
        return None

    async def _profile(self, domain: str, arn: str, kind: str) -> str:
        named = {"domainIdentifier": domain, "userIdentifier": arn}
        try:
            found = await self.aws.call("datazone", "get_user_profile", type="IAM", **named)
        except AwsRejected as error:
            if error.aws_code != MISSING:
                raise
            found = await self.aws.call(
                "datazone",
                "create_user_profile",
                userType=kind,
                clientToken=token_of("user", domain, arn),
                **named,
            )
        return str(found["id"])
