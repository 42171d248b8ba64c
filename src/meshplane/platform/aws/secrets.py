"""Secrets of the mesh in Secrets Manager, by name."""

import hashlib
from collections.abc import Callable

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.polling import until

_VISIBLE_SECONDS = 30.0
_NEXT = "MESHPLANE_NEXT"
"""The label of a version that is about to become the current one."""

_MOVED = frozenset({"InvalidParameterException", "InvalidRequestException"})


class Secrets:
    """Named secrets. Names begin with the prefix of the place.

    Args:
        aws: who reads and writes them.
        kms_key_id: the key that they are encrypted with; None: the account's own for secrets.
    """

    def __init__(self, aws: Aws, kms_key_id: str | None = None) -> None:
        self._aws, self._kms_key_id = aws, kms_key_id

    async def get(self, name: str) -> str | None:
        """The secret of that name; None: there is none, or none yet."""
        found = await self.versioned(name)
        return None if found is None else found[0]

    async def put(self, name: str, value: str, *, token: str) -> None:
        """Makes a secret, or gives it another value.

        Args:
            name: of the secret.
            value: its text.
            token: names the wish; the same wish twice is one. Another wish has another token, even
                if it is for an earlier value.
        """
        request = self._token(name, token)
        try:
            await self._aws.call(
                "secretsmanager",
                "put_secret_value",
                SecretId=self._full(name),
                SecretString=value,
                ClientRequestToken=request,
            )
        except AwsRejected as refusal:
            if refusal.aws_code != "ResourceNotFoundException":
                raise
            if not await self._create(name, value, request):
                # Another process made it in the same moment; what was asked last wins.
                await self._aws.call(
                    "secretsmanager",
                    "put_secret_value",
                    SecretId=self._full(name),
                    SecretString=value,
                    ClientRequestToken=request,
                )

    async def get_or_make(self, name: str, make: Callable[[], str]) -> str:
        """The secret of that name, made where there is none.

        Whichever process makes it, all end with the same. A secret that is there is never replaced.

        Raises:
            Unavailable: AWS_TOO_SLOW, another process made it and it does not show.
        """
        found = await self.get(name)
        if found is not None:
            return found
        made = make()
        # A token of what was made: two processes have two, a retry has the same.
        if await self._create(
            name, made, self._token(name, hashlib.sha256(made.encode()).digest())
        ):
            return made
        return await until("a secret shows", lambda: self.get(name), _VISIBLE_SECONDS)

    async def versioned(self, name: str) -> tuple[str, str] | None:
        """The secret of that name, and the id of its version; None: there is none."""
        try:
            found = await self._aws.call(
                "secretsmanager",
                "get_secret_value",
                SecretId=self._full(name),
                VersionStage="AWSCURRENT",
            )
        except AwsRejected as refusal:
            if refusal.aws_code == "ResourceNotFoundException":
                return None
            raise
        return str(found["SecretString"]), str(found["VersionId"])

    async def replace(self, name: str, value: str, *, instead_of: str) -> bool:
        """Gives a secret another value, if nobody else has done so meanwhile.

        Args:
            name: of the secret.
            value: its new text.
            instead_of: the id of the version that was read.

        Returns:
            Whether it was replaced; False: read it again.
        """
        own = hashlib.sha256(value.encode()).digest()
        version = self._token(name, own)
        await self._aws.call(
            "secretsmanager",
            "put_secret_value",
            SecretId=self._full(name),
            SecretString=value,
            ClientRequestToken=version,
            VersionStages=[_NEXT],
        )
        try:
            # The label moves only from the version that has it: of two at once, one wins.
            await self._aws.call(
                "secretsmanager",
                "update_secret_version_stage",
                SecretId=self._full(name),
                VersionStage="AWSCURRENT",
                MoveToVersionId=version,
                RemoveFromVersionId=instead_of,
            )
        except AwsRejected as refusal:
            if refusal.aws_code not in _MOVED:
                raise
            found = await self.versioned(name)
            # An answer may have been lost: then it is ours that is there.
            return found is not None and found[1] == version
        return True

    async def _create(self, name: str, value: str, token: str) -> bool:
        """Whether it was made; False: there is one already."""
        more = {"KmsKeyId": self._kms_key_id} if self._kms_key_id else {}
        try:
            await self._aws.call(
                "secretsmanager",
                "create_secret",
                Name=self._full(name),
                SecretString=value,
                ClientRequestToken=token,
                Tags=[
                    {"Key": "ManagedBy", "Value": "ManagementApp"},
                    {"Key": "Mesh", "Value": self._aws.place.prefix or "mesh"},
                ],
                **more,
            )
        except AwsRejected as refusal:
            if refusal.aws_code == "ResourceExistsException":
                return False
            raise
        return True

    def _full(self, name: str) -> str:
        return f"{self._aws.place.prefix}{name}"

    def _token(self, name: str, of: str | bytes) -> str:
        # A client request token has 32 to 64 characters.
        own = of if isinstance(of, bytes) else of.encode()
        return hashlib.sha256(self._full(name).encode() + b"\0" + own).hexdigest()
