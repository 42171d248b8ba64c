"""A person signs in to a user pool and gets tokens. No credentials of AWS are needed for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from meshplane.kit.errors import Invalid, Refused, Unauthenticated
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected

# What Cognito may ask for on the way, and the name of the answer.
# https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_RespondToAuthChallenge.html
CHALLENGES = {
    "NEW_PASSWORD_REQUIRED": "NEW_PASSWORD",
    "SOFTWARE_TOKEN_MFA": "SOFTWARE_TOKEN_MFA_CODE",
    "SMS_MFA": "SMS_MFA_CODE",
    "EMAIL_OTP": "EMAIL_OTP_CODE",
}
_WRONG = frozenset({"NotAuthorizedException", "UserNotFoundException", "CodeMismatchException"})
_NOT_YET = {
    "PasswordResetRequiredException": "The password must be reset first.",
    "UserNotConfirmedException": "The user is not confirmed yet.",
    "InvalidPasswordException": "The new password is not strong enough for the pool.",
    "ExpiredCodeException": "The code has expired.",
}


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a person has got.

    Args:
        access_token: for the mesh's API.
        id_token: for programs that want to know who it is.
        lifetime_seconds: of both.
    """

    access_token: str
    id_token: str
    lifetime_seconds: int

    def __repr__(self) -> str:
        return f"SignedIn(lifetime_seconds={self.lifetime_seconds})"


def sign_in(
    aws: Aws, client_id: str, username: str, password: str, ask: Callable[[str], str]
) -> SignedIn:
    """Signs a person in with a password, and with what else the pool asks for; blocks.

    Args:
        aws: whose Cognito; its credentials are not used.
        client_id: the app client, without a secret.
        username: who signs in.
        password: of that person.
        ask: gives the answer to a challenge, one of `CHALLENGES`.

    Raises:
        Unauthenticated: SIGN_IN_REFUSED, the name, the password or a code is wrong.
        Refused: SIGN_IN_NOT_YET, saying what must be done first; SIGN_IN_UNKNOWN, the pool asks for
            something that is not known here.
        Invalid: CLIENT_UNKNOWN.
    """
    try:
        answer = aws.run(
            "cognito-idp",
            "initiate_auth",
            AuthFlow="USER_PASSWORD_AUTH",
            ClientId=client_id,
            AuthParameters={"USERNAME": username, "PASSWORD": password},
        )
        while "AuthenticationResult" not in answer:
            answer = _answered(aws, client_id, username, answer, ask)
    except AwsRejected as error:
        raise _refusal(error) from error
    found = answer["AuthenticationResult"]
    return SignedIn(found["AccessToken"], found["IdToken"], int(found["ExpiresIn"]))


def _answered(
    aws: Aws, client_id: str, username: str, asked: dict[str, Any], ask: Callable[[str], str]
) -> dict[str, Any]:
    challenge = str(asked.get("ChallengeName"))
    wanted = CHALLENGES.get(challenge)
    if wanted is None:
        raise Refused(
            "SIGN_IN_UNKNOWN",
            f"The user pool asks for {challenge}, which this command cannot answer: sign in on the "
            "pool's own pages, and pass the access token.",
        )
    # Where people sign in with an alias, Cognito tells the name that answers must have.
    name = asked.get("ChallengeParameters", {}).get("USER_ID_FOR_SRP", username)
    return aws.run(
        "cognito-idp",
        "respond_to_auth_challenge",
        ClientId=client_id,
        ChallengeName=challenge,
        Session=asked["Session"],
        ChallengeResponses={"USERNAME": name, wanted: ask(challenge)},
    )


def _refusal(error: AwsRejected) -> Unauthenticated | Refused | Invalid | AwsRejected:
    if error.aws_code in _WRONG:
        return Unauthenticated(
            "SIGN_IN_REFUSED", "The name, the password or the code is not right: try again."
        )
    if error.aws_code in _NOT_YET:
        return Refused("SIGN_IN_NOT_YET", _NOT_YET[error.aws_code])
    if error.aws_code == "ResourceNotFoundException":
        return Invalid(
            "CLIENT_UNKNOWN",
            "No user pool of this region has an app client with that id: see --client and "
            "MESHPLANE_AWS_REGION.",
            field="client",
        )
    return error
