"""What a token must say once its signature holds: kind, times, audience, subject.

Sources: RFC 7519 (claims), RFC 9068 (access tokens), RFC 8725 (practice).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshplane.gateway.token_keys import KeySource
from meshplane.kit.errors import Invalid, Unauthenticated

ACCESS_TYPE = "at+jwt"  # RFC 9068 section 2.1
SERVICE_CLAIM = "meshplane_service"
ON_BEHALF_OF_CLAIM = "meshplane_on_behalf_of"
VIA_CLAIM = "meshplane_via"
HOPS_CLAIM = "meshplane_hops"

MAX_GROUPS = 200
MAX_NAME_CHARACTERS = 256

_MAX_AUDIENCES = 16
_MAX_HOPS = 1_000_000
_LATEST_EPOCH_SECONDS = 253_402_300_799  # the last second of the year 9999
# Found in ID tokens and logout tokens, not in access tokens.
_MARKS_OF_OTHER_TOKENS = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sent a request. Two issuers may both know an `alice`: a person is issuer and subject.

    `service` is set when another Meshplane service calls, and `on_behalf_of` then names the
    subject for whom it does. `via` and `hops` are what one process tells another of the workflow
    that acts in the subject's name; see `Actor`. `token_id` (`jti`) names this one token, for a
    list of revoked ones.
    """

    subject: str
    groups: frozenset[str]
    issuer: str
    service: str | None
    on_behalf_of: str | None
    expires_at_epoch_seconds: float
    token_id: str | None = None
    via: str | None = None
    hops: int = 0


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """An issuer whose access tokens are accepted, and what they have to look like.

    Args:
        issuer: its exact `iss`; compared character by character.
        keys: its keys. A token never decides where keys come from.
        audiences: the `aud` values that mean us.
        client_ids: the `client_id` values that are accepted when a token has no `aud` at all, as
            in Amazon Cognito's access tokens.
        companion_audiences: audiences that may stand in `aud` beside ours, never alone.
        groups_claim: the claim that lists the groups (`cognito:groups` at Cognito).
        requires_access_token_type: whether the header must say `at+jwt`. Without it the claims
            must show that this is no ID, refresh or logout token.
        may_name_services: whether this issuer may vouch for Meshplane's own services.
        takes_id_tokens: whether a token that says of itself that it is an ID token (`token_use`)
            is accepted as well, if one of `client_ids` is its only audience.
        subject_claim, id_subject_claim: the claim that names whose token it is, in access tokens
            and in such ID tokens.

    Raises:
        Invalid: ISSUER_INVALID.
    """

    issuer: str
    keys: KeySource
    audiences: frozenset[str] = frozenset()
    client_ids: frozenset[str] = frozenset()
    companion_audiences: frozenset[str] = frozenset()
    groups_claim: str = "groups"
    requires_access_token_type: bool = True
    may_name_services: bool = False
    takes_id_tokens: bool = False
    subject_claim: str = "sub"
    id_subject_claim: str = "sub"

    def __post_init__(self) -> None:
        if not is_clean_name(self.issuer):
            raise Invalid("ISSUER_INVALID", "A trusted issuer needs its URL.", field="issuer")
        if not self.audiences and not self.client_ids:
            raise Invalid(
                "ISSUER_INVALID",
                "A trusted issuer needs the audience or the client ids that its tokens carry; "
                "without them its tokens for other systems would be accepted.",
                field="audiences",
            )


@dataclass(frozen=True, slots=True)
class CheckedClaims:
    """An identity and the times between which it holds, in epoch seconds."""

    identity: Identity
    not_before_epoch_seconds: float
    expires_at_epoch_seconds: float


def is_clean_name(value: object) -> bool:
    """Whether it is a name: 1 to 256 printable characters, no space at either end.

    Control characters, lone surrogates and invisible characters are not printable.
    """
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_NAME_CHARACTERS
        and value.isprintable()
        and value == value.strip()
    )


def check_claims(
    claims: Mapping[str, Any],
    token_type: str | None,
    trusted: TrustedIssuer,
    now_epoch_seconds: float,
    leeway_seconds: float,
) -> CheckedClaims:
    """Checks the claims of a token whose signature holds.

    Args:
        claims: the payload.
        token_type: the `typ` header in lower case, without `application/`.
        trusted: the issuer that `iss` names exactly, and whose key signed it.
        now_epoch_seconds: the present.
        leeway_seconds: how far the clocks of issuer and server may differ.

    Raises:
        Unauthenticated: TOKEN_CLAIMS, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID or TOKEN_AUDIENCE.
    """
    _check_kind(claims, token_type, trusted)
    not_before, expires_at = _check_times(claims, now_epoch_seconds, leeway_seconds)
    _check_audience(claims, trusted)
    service, on_behalf_of = _service(claims, trusted)
    via, hops = _led_here(claims, trusted)
    identity = Identity(
        subject=_subject(claims, trusted),
        groups=_groups(claims, trusted.groups_claim),
        issuer=trusted.issuer,
        service=service,
        on_behalf_of=on_behalf_of,
        expires_at_epoch_seconds=expires_at,
        token_id=_optional_name(claims, "jti"),
        via=via,
        hops=hops,
    )
    return CheckedClaims(identity, not_before, expires_at)


def check_times(
    not_before_epoch_seconds: float,
    expires_at_epoch_seconds: float,
    now_epoch_seconds: float,
    leeway_seconds: float,
) -> None:
    """Checks that now is between the two instants.

    Raises:
        Unauthenticated: TOKEN_EXPIRED or TOKEN_NOT_YET_VALID.
    """
    if now_epoch_seconds >= expires_at_epoch_seconds + leeway_seconds:
        raise Unauthenticated("TOKEN_EXPIRED", "The token has expired; get a new one.")
    if now_epoch_seconds + leeway_seconds < not_before_epoch_seconds:
        raise Unauthenticated(
            "TOKEN_NOT_YET_VALID",
            "The token is not valid yet; if it is new, compare the clocks of issuer and server.",
        )


def _claims_refused(message: str) -> Unauthenticated:
    return Unauthenticated("TOKEN_CLAIMS", message)


def _check_kind(claims: Mapping[str, Any], token_type: str | None, trusted: TrustedIssuer) -> None:
    if token_type == ACCESS_TYPE:
        return
    wrong_kind = _claims_refused(
        "This is not an access token. Send the access token, not the ID or the refresh token."
    )
    if trusted.requires_access_token_type or token_type not in (None, "jwt"):
        raise wrong_kind
    # Cognito says the kind in `token_use`, Keycloak in a claim named `typ`.
    use, kind = claims.get("token_use", "access"), claims.get("typ", "Bearer")
    if kind != "Bearer" or not (use == "access" or _is_id_token(claims, trusted)):
        raise wrong_kind
    says_access = "token_use" in claims or "typ" in claims
    if not says_access and ("aud" not in claims or _MARKS_OF_OTHER_TOKENS.intersection(claims)):
        raise wrong_kind


def _check_times(
    claims: Mapping[str, Any], now_epoch_seconds: float, leeway_seconds: float
) -> tuple[float, float]:
    expires_at = _instant(claims, "exp")
    if expires_at is None:
        raise _claims_refused("The token does not say when it expires (exp).")
    # A token from the future is as early as one that says so in `nbf`.
    not_before = max(_instant(claims, "nbf") or 0.0, _instant(claims, "iat") or 0.0)
    check_times(not_before, expires_at, now_epoch_seconds, leeway_seconds)
    return not_before, expires_at


def _instant(claims: Mapping[str, Any], name: str) -> float | None:
    if name not in claims:
        return None
    value = claims[name]
    # The range also keeps out infinities, and numbers too long for a float.
    if (
        not isinstance(value, int | float)
        or isinstance(value, bool)
        or not 0 <= value <= _LATEST_EPOCH_SECONDS
    ):
        raise _claims_refused(f"The claim '{name}' is not a time in seconds since 1970.")
    return float(value)


def _check_audience(claims: Mapping[str, Any], trusted: TrustedIssuer) -> None:
    refused = Unauthenticated("TOKEN_AUDIENCE", "The token was issued for somebody else.")
    if _is_id_token(claims, trusted):
        if not isinstance(claims.get("aud"), str) or claims["aud"] not in trusted.client_ids:
            raise refused
        return
    if "aud" not in claims:
        client_id = claims.get("client_id")
        if not isinstance(client_id, str) or client_id not in trusted.client_ids:
            raise refused
        return
    audience = claims["aud"]
    names = [audience] if isinstance(audience, str) else audience
    if not isinstance(names, list) or not 0 < len(names) <= _MAX_AUDIENCES:
        raise refused
    if not all(isinstance(name, str) for name in names):
        raise refused
    # Whoever else it was issued to could send it on to us: every audience has to be known.
    if trusted.audiences.isdisjoint(names) or not (
        trusted.audiences | trusted.companion_audiences
    ).issuperset(names):
        raise refused


def _is_id_token(claims: Mapping[str, Any], trusted: TrustedIssuer) -> bool:
    """Whether it is an ID token of an issuer whose ID tokens are accepted."""
    return trusted.takes_id_tokens and claims.get("token_use") == "id"


def _subject(claims: Mapping[str, Any], trusted: TrustedIssuer) -> str:
    is_id = _is_id_token(claims, trusted)
    claim = trusted.id_subject_claim if is_id else trusted.subject_claim
    return _name(claims.get(claim), f"subject ({claim})")


def _service(claims: Mapping[str, Any], trusted: TrustedIssuer) -> tuple[str | None, str | None]:
    service = _optional_name(claims, SERVICE_CLAIM)
    on_behalf_of = _optional_name(claims, ON_BEHALF_OF_CLAIM)
    if service is None and on_behalf_of is None:
        return None, None
    if not trusted.may_name_services:
        raise _claims_refused("A token of a service is not accepted from this issuer here.")
    if service is None:
        raise _claims_refused("Only a service can act on behalf of somebody.")
    return service, on_behalf_of


def _led_here(claims: Mapping[str, Any], trusted: TrustedIssuer) -> tuple[str | None, int]:
    """The workflow that acts, and how many led to it. Only the mesh's own processes can tell."""
    if not trusted.may_name_services:
        return None, 0
    hops = claims.get(HOPS_CLAIM, 0)
    if type(hops) is not int or not 0 <= hops <= _MAX_HOPS:
        raise _claims_refused(f"The claim '{HOPS_CLAIM}' is no count.")
    return _optional_name(claims, VIA_CLAIM), hops


def _groups(claims: Mapping[str, Any], claim: str) -> frozenset[str]:
    if claim not in claims:
        elsewhere = claims.get("_claim_names")
        # Microsoft Entra leaves the groups out when there are many. Whoever reads that as "none"
        # also drops what the groups forbid.
        if "hasgroups" in claims or (isinstance(elsewhere, Mapping) and claim in elsewhere):
            raise _claims_refused(
                f"The token does not list its groups ('{claim}') because there are too many; "
                "have the issuer put only the assigned groups into it."
            )
        return frozenset()
    groups = claims[claim]
    if not isinstance(groups, list) or len(groups) > MAX_GROUPS:
        raise _claims_refused(f"The claim '{claim}' is not a list of at most {MAX_GROUPS} groups.")
    return frozenset(_name(group, f"group in '{claim}'") for group in groups)


def _optional_name(claims: Mapping[str, Any], name: str) -> str | None:
    return _name(claims[name], f"claim '{name}'") if name in claims else None


def _name(value: object, what: str) -> str:
    if not isinstance(value, str) or not is_clean_name(value):
        raise _claims_refused(f"The {what} of the token is not 1 to 256 printable characters.")
    return value
