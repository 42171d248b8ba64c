"""AWS that counts what is asked of it, and fails when it is told to."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsUnavailable

Around = Callable[[str, dict[str, Any], Callable[[], Awaitable[dict[str, Any]]]], Any]


class WatchedAws(Aws):
    """Calls as another does, and remembers.

    Attributes:
        asked: by operation, how often it was called.
        around: carries out a call: it is given the operation, its parameters, and what calls.
    """

    def __init__(self, other: Aws) -> None:
        # Not another client: the threads and connections are the other's.
        self.__dict__.update(other.__dict__)
        self.asked: Counter[str] = Counter()
        self.around: Around | None = None

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        self.asked[operation] += 1

        async def really() -> dict[str, Any]:
            return await super(WatchedAws, self).call(service, operation, **parameters)

        if self.around is None:
            return await really()
        answer: dict[str, Any] = await self.around(operation, parameters, really)
        return answer

    def forget(self) -> None:
        """Begins to count anew."""
        self.asked.clear()


def no_answer(operation: str) -> AwsUnavailable:
    """What a call fails with whose answer was lost."""
    return AwsUnavailable("dynamodb", operation, "no answer", may_have_happened=True)


def throttled(operation: str) -> AwsUnavailable:
    """What a call fails with that was not even looked at."""
    return AwsUnavailable("dynamodb", operation, "ThrottlingException", may_have_happened=False)
