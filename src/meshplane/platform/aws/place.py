"""Where AWS is: region, accounts, addresses. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AwsPlace:
    """What must be known to call AWS.

    Args:
        region: such as `eu-central-1`.
        account: the mesh's own, 12 digits.
        endpoint_url: where every service answers, for a sandbox; None: where AWS does.
        endpoint_urls: by botocore's name of a service, where that one answers; wins over the other.
        account_roles: by account of another party, the ARN of the role that the mesh takes there.
        most_attempts: how often one call is tried in all, throttling and lost answers included.
        connect_seconds, read_seconds: the longest that one attempt waits.
        prefix: what names of resources begin with, so that several meshes share an account.
    """

    region: str
    account: str
    endpoint_url: str | None = None
    endpoint_urls: Mapping[str, str] = field(default_factory=dict)
    account_roles: Mapping[str, str] = field(default_factory=dict)
    most_attempts: int = 5
    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    prefix: str = ""

    def endpoint(self, service: str) -> str | None:
        """Where a service answers; None: where AWS does."""
        return self.endpoint_urls.get(service, self.endpoint_url)
