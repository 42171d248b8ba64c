"""Who waits for AWS asks again where it asks for fewer calls, and passes other failures on."""

import pytest

from meshplane.platform.aws.errors import AwsUnavailable
from meshplane.platform.aws.polling import until

THROTTLED = AwsUnavailable("glue", "get_crawler", "ThrottlingException", may_have_happened=False)
SILENT = AwsUnavailable("glue", "get_crawler", "no answer", may_have_happened=True)


class Looks:
    """Looks that fail, and then find something."""

    def __init__(self, *errors: AwsUnavailable) -> None:
        self.errors = list(errors)

    async def __call__(self) -> str | None:
        if self.errors:
            raise self.errors.pop(0)
        return "there"


async def test_look_that_is_throttled__is_made_again() -> None:
    assert await until("it is there", Looks(*[THROTTLED] * 3), 30, first_seconds=0.01) == "there"


async def test_looks_that_are_throttled_to_the_end__tell_that() -> None:
    with pytest.raises(AwsUnavailable) as refused:
        await until("it is there", Looks(*[THROTTLED] * 100), 0.05, first_seconds=0.01)
    assert refused.value.is_throttled


async def test_look_that_is_not_answered__is_passed_on() -> None:
    with pytest.raises(AwsUnavailable) as refused:
        await until("it is there", Looks(SILENT), 30)
    assert refused.value is SILENT
