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
        external_id: what the mesh says when it takes one of these roles; None: nothing.
        most_attempts: how often one call is tried in all, throttling and lost answers included.
        connect_seconds, read_seconds: the longest that one attempt waits. A request to connect that
            is lost is sent again after 1 s and 3 s, so that two may be lost.
        prefix: what names of resources begin with, so that several meshes share an account.
    """

    region: str
    account: str
    endpoint_url: str | None = None
    endpoint_urls: Mapping[str, str] = field(default_factory=dict)
    account_roles: Mapping[str, str] = field(default_factory=dict)
    external_id: str | None = None
    most_attempts: int = 5
    connect_seconds: float = 3.1
    read_seconds: float = 60.0
    prefix: str = ""

    def endpoint(self, service: str) -> str | None:
        """Where a service answers; None: where AWS does."""
        return self.endpoint_urls.get(service, self.endpoint_url)
