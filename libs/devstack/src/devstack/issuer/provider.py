"""The protocol, done by Authlib: codes, tokens, and what stands in them."""

import time
from dataclasses import dataclass
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, InvalidRequestError, InvalidScopeError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ClientCredentialsGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from authlib.oidc.core.grants import OpenIDCode
from common.auth.grants import role_names
from flask import Flask
from joserfc.jwk import ECKey, KeySet

from devstack.issuer.clients import known_clients

ALGORITHM = "ES256"
TOKEN_S = 3600
CODE_S = 60


@dataclass(frozen=True, slots=True)
class User:
    """Who signed in, by their own word."""

    name: str
    grants: tuple[str, ...]

    def get_user_id(self) -> str:
        """Return the subject of their tokens."""
        return self.name


@dataclass(frozen=True, slots=True)
class Code(AuthorizationCodeMixin):
    """A code that was handed out, good for one token."""

    client_id: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str
    code_challenge_method: str
    user: User
    made: float

    def get_redirect_uri(self) -> str:
        """Return where it was sent."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return what it was asked for."""
        return self.scope

    def get_nonce(self) -> str | None:
        """Return the client's nonce."""
        return self.nonce

    def get_auth_time(self) -> int:
        """Return when the user signed in, in seconds since 1970."""
        return int(self.made)

    def get_acr(self) -> None:
        """Return no class: nobody was authenticated."""

    def get_amr(self) -> None:
        """Return no method: nobody was authenticated."""


class Provider(AuthorizationServer):
    """The authorization server; its codes live in memory for a minute."""

    def __init__(self, app: Flask, issuer: str, audience: str, key: ECKey, secret: str) -> None:
        self.codes: dict[str, Code] = {}
        clients = known_clients(secret)
        super().__init__(app, query_client=clients.get, save_token=lambda *_: None)
        self.register_token_generator("default", _Tokens(issuer, audience, key))
        self.register_grant(_CodeGrant, [_S256(required=True), _IdToken(issuer, key)])
        self.register_grant(_MachineGrant)


class _Tokens(JWTBearerTokenGenerator):
    """Access tokens as RFC 9068 has them, with the grants in `groups`."""

    def __init__(self, issuer: str, audience: str, key: ECKey) -> None:
        super().__init__(issuer, alg=ALGORITHM, expires_generator=lambda *_: TOKEN_S)
        self._audience = audience
        self._key = key

    def get_jwks(self) -> KeySet:
        """Return the key in a set: so its id gets into the token's header."""
        return KeySet([self._key])

    def get_audiences(self, client: Any, user: Any, scope: str) -> str:  # noqa: ARG002
        return self._audience

    def get_extra_claims(
        self,
        client: Any,
        grant_type: str,  # noqa: ARG002 - Authlib names it
        user: User | None,
        scope: str,
    ) -> dict[str, Any]:
        if user:
            return {"groups": list(user.grants)}
        # Machines with other grants are others: nobody approves what they requested themselves.
        subject = f"{client.get_client_id()}:{scope.replace(' ', ',')}"
        return {"groups": scope.split(), "sub": subject}


class _S256(CodeChallenge):
    """PKCE by the one method that protects, from the begin."""

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        if not grant.request.payload.data.get("code_challenge"):
            raise InvalidRequestError("Missing 'code_challenge': PKCE with S256 is needed")
        super().validate_code_challenge(grant, redirect_uri)

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012 - Authlib has it so


class _CodeGrant(AuthorizationCodeGrant):
    """Hands out codes, and tokens for them once."""

    server: Provider
    TOKEN_ENDPOINT_AUTH_METHODS = ["none"]  # noqa: RUF012 - Authlib has it so

    def save_authorization_code(self, code: str, request: Any) -> None:
        asked, oldest = request.payload.data, time.time() - CODE_S
        self.server.codes = {c: kept for c, kept in self.server.codes.items() if kept.made > oldest}
        self.server.codes[code] = Code(
            request.client.get_client_id(),
            request.payload.redirect_uri,
            request.scope,
            asked.get("nonce"),
            asked.get("code_challenge", ""),
            asked.get("code_challenge_method", "S256"),
            request.user,
            time.time(),
        )

    def query_authorization_code(self, code: str, client: Any) -> Code | None:
        """Take the code out, so that it is good once, whoever tries."""
        found = self.server.codes.pop(code, None)
        fits = found is not None and found.client_id == client.get_client_id()
        return found if fits and found and found.made + CODE_S > time.time() else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Do nothing: it was taken out."""

    def authenticate_user(self, authorization_code: Code) -> User:
        return authorization_code.user


class _IdToken(OpenIDCode):
    """The ID token beside the access token."""

    def __init__(self, issuer: str, key: ECKey) -> None:
        super().__init__()
        self._issuer = issuer
        self._key = key

    def exists_nonce(self, nonce: str, request: Any) -> bool:  # noqa: ARG002
        """Tell that it is new: each code is good once."""
        return False

    def get_client_algorithm(self, client: Any) -> str:  # noqa: ARG002
        return ALGORITHM

    def get_encode_header(self, client: Any) -> dict[str, Any]:  # noqa: ARG002
        return {"alg": ALGORITHM, "kid": self._key.kid}

    def get_client_claims(self, client: Any) -> dict[str, Any]:
        now = int(time.time())
        return {
            "iss": self._issuer,
            "aud": [client.get_client_id()],
            "iat": now,
            "exp": now + TOKEN_S,
        }

    def resolve_client_private_key(self, client: Any) -> ECKey:  # noqa: ARG002
        return self._key

    def generate_user_info(self, user: User, scope: str) -> dict[str, Any]:  # noqa: ARG002
        return {"sub": user.name, "groups": list(user.grants)}


class _MachineGrant(ClientCredentialsGrant):
    """Tokens for a program: its scopes are the grants."""

    def validate_requested_scope(self) -> None:
        asked = str(self.request.payload.scope or "")
        allowed = self.request.client.get_allowed_scope(asked)
        if not asked or set(allowed.split()) != set(asked.split()):
            raise InvalidScopeError(
                "a scope must be region/role, as 64.01/operator; the roles are "
                f"{', '.join(role_names())}; only */admin is for all regions"
            )
