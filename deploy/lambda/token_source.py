"""The function's token for the mesh, from a secret of Secrets Manager.

The secret is read through the AWS Parameters and Secrets Lambda Extension, which answers on the
function's own machine: no SDK is loaded for it. It is JSON: `{"token": …}`, or what the issuer
gives a token for: `{"tokenUrl": …, "clientId": …, "clientSecret": …, "scope": …}` (OAuth 2.0 client
credentials, RFC 6749 section 4.4). Secrets and tokens are never logged.
"""

import base64
import json
import time
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

_EXTENSION = "http://localhost:2773/secretsmanager/get?secretId="
_EXTENSION_SECONDS = 5.0
_ISSUER_SECONDS = 10.0
_SECRET_KEPT_SECONDS = 300.0
_RENEWED_BEFORE_SECONDS = 60.0


class TokenSource:
    """Gives a token that still holds.

    Args:
        settings: the environment: `MESHPLANE_TOKEN_SECRET` names the secret, and
            `AWS_SESSION_TOKEN` opens the extension. `MESHPLANE_TOKEN` is a token itself, for
            trying things out.
    """

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._token = ""
        self._until = 0.0

    def __call__(self) -> str:
        """The token.

        Raises:
            KeyError: a setting or a part of the secret is missing.
            OSError: the extension or the issuer does not answer.
        """
        given = self._settings.get("MESHPLANE_TOKEN")
        if given:
            return given
        if time.time() >= self._until:
            self._token, self._until = self._fetched()
        return self._token

    def _fetched(self) -> tuple[str, float]:
        secret = self._secret()
        if "token" in secret:
            return str(secret["token"]), time.time() + _SECRET_KEPT_SECONDS
        pair = f"{quote(secret['clientId'])}:{quote(secret['clientSecret'])}".encode()
        wanted = {"grant_type": "client_credentials"}
        if secret.get("scope"):
            wanted["scope"] = secret["scope"]
        answer = _answer(
            str(secret["tokenUrl"]),
            _ISSUER_SECONDS,
            {"Authorization": f"Basic {base64.b64encode(pair).decode()}"},
            urlencode(wanted).encode(),
        )
        lifetime = float(answer.get("expires_in", _SECRET_KEPT_SECONDS))
        return str(answer["access_token"]), time.time() + lifetime - _RENEWED_BEFORE_SECONDS

    def _secret(self) -> dict[str, Any]:
        name = quote(self._settings["MESHPLANE_TOKEN_SECRET"], safe="")
        headers = {"X-Aws-Parameters-Secrets-Token": self._settings["AWS_SESSION_TOKEN"]}
        answer = _answer(_EXTENSION + name, _EXTENSION_SECONDS, headers, None)
        found: dict[str, Any] = json.loads(answer["SecretString"])
        return found


def _answer(
    url: str, timeout_seconds: float, headers: Mapping[str, str], body: bytes | None
) -> dict[str, Any]:
    # The addresses are the extension's and the one in the operator's own secret.
    request = urllib.request.Request(url, body, dict(headers))  # noqa: S310
    with urllib.request.urlopen(request, timeout=timeout_seconds) as answer:  # noqa: S310
        found: dict[str, Any] = json.loads(answer.read())
    return found
