"""An issuer of the tests' own: keys, tokens of every kind, and the two documents it publishes."""

import base64
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

AUDIENCE = "smartcity"


class Issuer:
    """Serves Discovery and its keys on a port of its own; counts how often they are fetched."""

    def __init__(self, tls_folder: Path | None = None) -> None:
        self.rsa = RSAKey.generate_key(2048, {"kid": "rsa-1", "use": "sig"})
        self.ec = ECKey.generate_key("P-256", {"kid": "ec-1", "use": "sig"})
        self.published: list[Any] = [self.rsa, self.ec]
        self.fetches = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http{'s' if tls_folder else ''}://127.0.0.1:{self._server.server_port}"
        if tls_folder:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls_folder / "tls.crt", tls_folder / "tls.key")
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def claims(self, *grants: str, **changes: Any) -> dict[str, Any]:
        now = int(time.time())
        given = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "budi",
            "iat": now,
            "exp": now + 3600,
            "groups": list(grants or ("64.01/operator",)),
        }
        return {name: value for name, value in (given | changes).items() if value is not None}

    def token(self, *grants: str, key: Any = None, alg: str = "RS256", **changes: Any) -> str:
        key = key or self.rsa
        header = {"alg": alg, "kid": key.kid}
        return str(jwt.encode(header, self.claims(*grants, **changes), key, algorithms=[alg]))

    def unsigned(self, alg: str = "none") -> str:
        parts = ({"alg": alg, "kid": "rsa-1"}, self.claims())
        packed = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts]
        return b".".join([*packed, b""]).decode()

    def signed_with_the_public_key(self) -> str:
        """Return the old trick: the public key taken for a shared secret."""
        unsigned = self.unsigned("HS256").rstrip(".")
        secret = self.rsa.as_pem(private=False)
        signature = hmac.new(secret, unsigned.encode(), hashlib.sha256).digest()
        return f"{unsigned}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    def _handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/.well-known/openid-configuration":
                    answer: Any = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
                else:
                    issuer.fetches += 1
                    answer = KeySet(issuer.published).as_dict(private=False)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
