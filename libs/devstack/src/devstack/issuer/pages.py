"""The issuer's endpoints: discovery, keys, sign-in, tokens."""

from http import HTTPStatus
from typing import Any

from authlib.oauth2.rfc6749 import OAuth2Error
from common.auth.grants import grants_from, role_names
from common.auth.tokens import SUBJECT
from flask import Flask, Response, jsonify, make_response, render_template, request
from joserfc.jwk import ECKey, KeySet
from werkzeug.wrappers import Response as AnyResponse

from devstack.issuer.clients import USER_SCOPES
from devstack.issuer.provider import ALGORITHM, Provider, User
from devstack.issuer.settings import IssuerSettings

LONGEST_FORM = 64 * 1024
NOT_IN_A_URI = frozenset("\\@ \t\r\n")
NO_NAME = "A name is needed: 1 to 255 characters on one line."
CALLED_BY_PAGES = ("/.well-known/openid-configuration", "/keys", "/token")


def issuer_app(settings: IssuerSettings, key: ECKey, secret: str) -> Flask:
    """Return the whole issuer as a WSGI application."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_FORM
    provider = Provider(app, settings.url, settings.audience, key, secret)
    app.add_url_rule(CALLED_BY_PAGES[0], "discovery", lambda: jsonify(discovery(settings.url)))
    app.add_url_rule("/keys", "keys", lambda: jsonify(KeySet([key]).as_dict(private=False)))
    app.add_url_rule("/token", "token", provider.create_token_response, methods=["POST"])
    app.add_url_rule("/authorize", "ask", lambda: _ask(provider))
    app.add_url_rule("/authorize", "answer", lambda: _answer(provider), methods=["POST"])
    app.before_request(lambda: _only_for(settings.address))
    app.before_request(lambda: _only_from(settings.url))
    app.before_request(_only_plain_redirects)
    app.after_request(_open_to_pages)
    return app


def discovery(url: str) -> dict[str, Any]:
    """Return OpenID Connect Discovery's document."""
    return {
        "issuer": url,
        "authorization_endpoint": f"{url}/authorize",
        "token_endpoint": f"{url}/token",
        "jwks_uri": f"{url}/keys",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": [
            "none",
            "client_secret_basic",
            "client_secret_post",
        ],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": list(USER_SCOPES),
        "claims_supported": ["sub", "groups"],
    }


def _only_for(address: str) -> AnyResponse | None:
    """Refuse a page of elsewhere whose name was made to mean this machine (DNS rebinding)."""
    if request.host == address:
        return None
    return make_response(f"this is {address}", HTTPStatus.MISDIRECTED_REQUEST)


def _only_from(url: str) -> AnyResponse | None:
    """Refuse a form that another page sends."""
    origin = request.headers.get("origin", url)
    if request.path != "/authorize" or request.method != "POST" or origin == url:
        return None
    return make_response(f"this form is sent from {url} only", HTTPStatus.FORBIDDEN)


def _only_plain_redirects() -> AnyResponse | None:
    """Refuse an address about whose host its readers disagree."""
    if not set(request.args.get("redirect_uri", "")) & NOT_IN_A_URI:
        return None
    return make_response("the redirect_uri is no plain URI", HTTPStatus.BAD_REQUEST)


def _open_to_pages(response: Response) -> Response:
    if request.path in CALLED_BY_PAGES:
        response.headers["access-control-allow-origin"] = "*"
        response.headers["access-control-allow-headers"] = "authorization,content-type"
    else:
        response.headers["content-security-policy"] = "frame-ancestors 'none'"
    return response


def _ask(provider: Provider, problem: str = "", status: int = HTTPStatus.OK) -> AnyResponse:
    """Show the sign-in form."""
    try:
        provider.get_consent_grant(end_user=None)
    except OAuth2Error as error:
        refusal: AnyResponse = provider.handle_error_response(request, error)
        return refusal
    given = request.form.get("name", "siti"), request.form.get("grants", "64.01/operator")
    page = render_template(
        "sign_in.html", name=given[0], grants=given[1], roles=role_names(), problem=problem
    )
    return make_response(page, status)


def _answer(provider: Provider) -> AnyResponse:
    """Send the browser back with a code, or show what is wrong."""
    name, wanted = request.form.get("name", "").strip(), request.form.get("grants", "").split()
    wrong = [one for one in wanted if not grants_from([one])]
    if wrong or not SUBJECT.fullmatch(name):
        problem = f"Not a grant: {', '.join(wrong)}" if wrong else NO_NAME
        return _ask(provider, problem, HTTPStatus.BAD_REQUEST)
    try:
        grant = provider.get_consent_grant(end_user=None)
    except OAuth2Error as error:
        refusal: AnyResponse = provider.handle_error_response(request, error)
        return refusal
    user = User(name, tuple(wanted))
    back: AnyResponse = provider.create_authorization_response(grant=grant, grant_user=user)
    return back
