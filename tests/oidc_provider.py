"""A stand-in for an OpenID provider on loopback HTTP that keeps to the protocol, for tests."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID = "so-tay"
CLIENT_SECRET = "8f1c-bi~mat-khac+thuong=="


@dataclass
class Provider:
    """Somebody is signed in there as ``person``; ``alter`` changes the claims of ID tokens before they are signed."""

    person: dict[str, Any] = field(default_factory=dict)
    alter: Callable[[dict[str, Any]], None] = lambda claims: None
    methods: list[str] = field(default_factory=lambda: ["client_secret_basic"])
    denied: bool = False
    email_in_token: bool = True
    userinfo_subject: str | None = None
    signing: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    published: RSAKey | None = None
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "one"})
    redirect_uri: str = "http://testserver/admin/sign-in/oidc/callback"
    issuer: str = ""
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)

    def __enter__(self) -> Provider:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.answer(self, "")

            def do_POST(self) -> None:
                provider.answer(self, self.rfile.read(int(self.headers["Content-Length"])).decode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler, body: str) -> None:
        path, query = urlsplit(handler.path).path, parse_qs(urlsplit(handler.path).query)
        self.asked.append(path)
        if path == "/authorize":
            handler.send_response(302)
            handler.send_header("Location", self.authorize({name: values[0] for name, values in query.items()}))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        if path == "/token":
            form = {name: values[0] for name, values in parse_qs(body).items()}
            status, content = self.token(form, handler.headers.get("Authorization", ""))
        elif path == "/userinfo":
            status, content = self.userinfo(handler.headers.get("Authorization", ""))
        elif path == "/keys":
            status, content = 200, {"keys": [(self.published or self.signing).as_dict(private=False)]}
        elif path == "/.well-known/openid-configuration":
            status, content = 200, self.configuration()
        else:
            status, content = 404, {}
        encoded = json.dumps(content).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(encoded)))
        handler.end_headers()
        handler.wfile.write(encoded)

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "token_endpoint_auth_methods_supported": self.methods,
            "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def authorize(self, query: dict[str, str]) -> str:
        assert query["client_id"] == CLIENT_ID
        assert query["redirect_uri"] == self.redirect_uri
        assert query["response_type"] == "code"
        assert "openid" in query["scope"].split()
        assert query["code_challenge_method"] == "S256"
        if self.denied:
            return f"{self.redirect_uri}?{urlencode({'error': 'access_denied', 'state': query['state']})}"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return f"{self.redirect_uri}?{urlencode({'code': code, 'state': query['state'], 'iss': self.issuer})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        if not self.is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        query = self.codes.pop(form.get("code", ""), None)  # whatever comes of it, a code counts once
        if query is None or form.get("grant_type") != "authorization_code":
            return 400, {"error": "invalid_grant"}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if (
            challenge.decode().rstrip("=") != query["code_challenge"]
            or form.get("redirect_uri") != query["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        access_token = secrets.token_urlsafe(16)
        self.tokens.add(access_token)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": query["nonce"]}
        claims |= self.person if self.email_in_token else {"sub": self.person["sub"]}
        self.alter(claims)
        if self.header["alg"] == "none":  # no library writes such a token
            parts = (json.dumps(part).encode() for part in (self.header, claims))
            id_token = ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), ""])
        else:
            id_token = jwt.encode(self.header, claims, self.signing, algorithms=["RS256", "HS256"])
        return 200, {"access_token": access_token, "token_type": "Bearer", "expires_in": 300, "id_token": id_token}

    def is_client(self, form: dict[str, str], authorization: str) -> bool:
        if self.methods == ["client_secret_post"]:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)
        expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        return authorization == f"Basic {expected}"

    def userinfo(self, authorization: str) -> tuple[int, dict[str, Any]]:
        if authorization.removeprefix("Bearer ") not in self.tokens:
            return 401, {}
        return 200, {**self.person, "sub": self.userinfo_subject or self.person["sub"]}
