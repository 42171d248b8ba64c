"""Who else than the mesh itself issues the tokens of people: a user pool of Cognito."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from meshplane.gateway.token_claims import TrustedIssuer
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid
from meshplane.platform.configuration_cache import ConfigurationCache
from meshplane.platform.store import Store
from meshplane.run.settings import Settings

if TYPE_CHECKING:
    import httpx

    from meshplane.platform.aws.calls import Aws


async def issuers_of_people(
    settings: Settings,
    aws: "Aws | None",
    store: Store,
    clock: Clock,
    client: "Callable[[], httpx.AsyncClient]",
) -> list[TrustedIssuer]:
    """The user pool that the settings name, or that was made for this mesh; none without.

    Args:
        settings: of the mesh.
        aws: calls AWS; not needed where the settings name the pool.
        store: keeps where the pool was found.
        clock: tells the present.
        client: opens the one client of HTTP, by which keys are fetched.

    Raises:
        Invalid: SETTING_INVALID, a pool is named without its clients; POOL_INVALID.
        Missing: POOL_NOT_FOUND, nobody has prepared the account.
    """
    pool_id, clients = settings.aws_cognito_pool, settings.aws_cognito_clients
    if pool_id is None:
        if aws is None or "identity" not in settings.aws_parts:
            return []
        from meshplane.platform.aws.identity_pool import UserPools
        from meshplane.run.aws import part_aws

        pools = UserPools(part_aws(settings, aws, "identity"))
        found = await pools.known(ConfigurationCache(store, clock))
        pool_id, clients = found.pool_id, (*clients, found.client_id)
    elif not clients:
        raise Invalid(
            "SETTING_INVALID",
            "Setting aws_cognito_clients: name the app clients of the user pool whose tokens are "
            "for this mesh.",
            field="aws_cognito_clients",
        )
    from meshplane.gateway.cognito import cognito_issuer

    issuer = cognito_issuer(
        pool_id,
        clients,
        client(),
        clock,
        endpoint_url=settings.aws_endpoint_url,
        takes_id_tokens=settings.aws_cognito_id_tokens,
        by_name=settings.aws_cognito_names,
    )
    return [issuer]
