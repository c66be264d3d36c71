"""Who may ask, and how much: what stands before every route.

Other web pages can make a browser send requests to this server, and by DNS rebinding even under a
name of their own; so Host and Origin are checked, and every request needs the token. Refusals are
logged in one line, which never holds the token.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import json
import logging
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from maskwright.app.gallery import MOST_UPLOAD_BYTES
from maskwright.app.payload import MOST_BODY_BYTES
from maskwright.app.refusals import BUSY_SECONDS, Refusal
from maskwright.image.source import display_name

COOKIE, HEADER = "maskwright", "x-maskwright-token"
UPLOAD, HEALTH = "/api/upload", "/healthz"
_BODY_S, _UPLOAD_S = 30.0, 300.0
_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none';"
        " form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_LOCKED = (
    "<!doctype html><meta charset=utf-8><title>Maskwright</title><p>This page needs the link that"
    " <code>maskwright serve</code> has printed: it ends with <code>?token=…</code>."
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hosts:
    """The names under which the server may be asked.

    Attributes:
        names: Lower case, without port.
        any_address: Whether any IP address will do: rebinding needs a name.
    """

    names: frozenset[str]
    any_address: bool = False

    def allow(self, host: str) -> bool:
        """Say whether a Host header, with or without a port, is one of them."""
        name = _without_port(host.lower())
        if name in self.names:
            return True
        return self.any_address and _address(name) is not None


def hosts_for(host: str) -> Hosts:
    """Return the names of a server that binds an address or name.

    Args:
        host: As given to `--host`.
    """
    names = {"localhost", "127.0.0.1", "::1", host.lower()}
    address = _address(host)
    if address is None or address.is_loopback:
        return Hosts(frozenset(names))
    if address.is_unspecified:
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return Hosts(frozenset(names), any_address=address.is_unspecified)


class Guard:
    """Lets through what may pass.

    Args:
        app: What answers then.
        token: That every request but `/healthz` needs, as cookie or header.
        hosts: Under which the server may be asked.
    """

    def __init__(self, app: App, *, token: str, hosts: Hosts) -> None:
        self.app, self.token, self.hosts = app, token, hosts
        # Browsers send cookies to every port: each server needs a name of its own.
        self._cookie = f"{COOKIE}-{hashlib.sha256(token.encode()).hexdigest()[:8]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        scope.setdefault("state", {})
        headers = _headers(scope)
        answer = _Answer(scope, send)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await _refuse(refusal, scope, headers, answer)
        elif scope["path"] == "/" and b"token=" in scope["query_string"]:
            await self._let_in(answer)
        else:
            limit, seconds = _most_of(scope)
            limited = _limited(receive, limit, time.monotonic() + seconds)
            with suppress(Exception):  # answered with 500 and logged already
                await self.app(scope, limited, answer)

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> Refusal | None:
        host = headers.get("host", "")
        if not self.hosts.allow(host):
            return Refusal(
                403,
                f"expected the Host {', '.join(sorted(self.hosts.names))}, got"
                f" {display_name(host[:100])!r}; use the address that was printed",
            )
        if scope["path"] == HEALTH:
            return None
        return (
            _foreign(scope, headers, host)
            or self._without_token(scope, headers)
            or _too_large(scope, headers)
        )

    def _without_token(self, scope: Scope, headers: Mapping[str, str]) -> Refusal | None:
        cookies = _cookies(headers.get("cookie", ""))
        given = headers.get(HEADER) or cookies.get(self._cookie) or cookies.get(COOKIE, "")
        if scope["path"] == "/" and scope["method"] == "GET":
            query = scope["query_string"][:2000].decode("latin-1")
            given = parse_qs(query).get("token", [given])[0]
        if hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode()):
            return None
        return Refusal(
            401, "expected the token of this server; open the link that `maskwright serve` printed"
        )

    async def _let_in(self, send: Send) -> None:
        cookie = f"{self._cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode())]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


class _Answer:
    """Sends an answer on with the headers that all have, and logs it if it is a refusal."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope, self.send = scope, send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name.lower() for name, _ in message.get("headers", ())}
            added = {"cache-control": "no-store"} | _HEADERS
            if message["status"] == 429:
                added["retry-after"] = str(BUSY_SECONDS)
            more = [
                (name.encode(), value.encode())
                for name, value in added.items()
                if name.encode() not in there
            ]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
            if message["status"] >= 400:
                _note(self.scope, message["status"])
        await self.send(message)


def _note(scope: Scope, status: int) -> None:
    reason = scope["state"].get("reason") or HTTPStatus(status).phrase
    who = (scope.get("client") or ("somebody",))[0]
    level = logging.ERROR if status >= 500 else logging.WARNING
    path = display_name(scope["path"][:200])
    log.log(level, "refused %s to %s: %s %s: %s", status, who, scope["method"], path, reason)


async def _refuse(refusal: Refusal, scope: Scope, headers: Mapping[str, str], send: Send) -> None:
    scope["state"]["reason"] = str(refusal)
    kind, body = b"application/json", json.dumps({"error": str(refusal)}).encode()
    if refusal.status == 401 and scope["path"] == "/" and "html" in headers.get("accept", ""):
        kind, body = b"text/html; charset=utf-8", _LOCKED.encode()
    sent = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if refusal.status == 413:
        sent.append((b"connection", b"close"))  # the rest of the body is not waited for
    await send({"type": "http.response.start", "status": refusal.status, "headers": sent})
    await send({"type": "http.response.body", "body": body})


def _foreign(scope: Scope, headers: Mapping[str, str], host: str) -> Refusal | None:
    """Return the refusal of what another web page sends."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != host.lower():
        return Refusal(
            403, f"expected requests of the app's own page, got the Origin {origin[:100]!r}"
        )
    site = headers.get("sec-fetch-site", "none")
    is_visit = scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
    if site not in {"none", "same-origin"} and not is_visit:
        return Refusal(403, f"expected requests of the app's own page, got a {site[:20]} one")
    return None


def _too_large(scope: Scope, headers: Mapping[str, str]) -> Refusal | None:
    limit, _ = _most_of(scope)
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        return Refusal(400, "expected a Content-Length in digits, got something else")
    if len(length) > 15 or int(length) > limit:
        return _larger_than(limit)
    return None


def _most_of(scope: Scope) -> tuple[int, float]:
    """Return how many bytes the body of a request may have, and how many seconds it may take."""
    is_upload = scope["path"] == UPLOAD
    return (MOST_UPLOAD_BYTES, _UPLOAD_S) if is_upload else (MOST_BODY_BYTES, _BODY_S)


def _larger_than(limit: int) -> Refusal:
    return Refusal(413, f"expected a body of {limit // 1024} KiB at most, got a larger one")


def _limited(receive: Receive, limit: int, deadline: float) -> Receive:
    """Return what receives a body up to a size and a time."""
    got, is_whole = 0, False

    async def limited() -> Message:
        nonlocal got, is_whole
        if is_whole:  # from now on only the end of the connection is waited for
            return await receive()
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), 0.001)):
                message = await receive()
        except TimeoutError as error:
            raise Refusal(
                408, "expected the whole body in time, got a part; send it again"
            ) from error
        got += len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if got > limit:
            raise _larger_than(limit)
        return message

    return limited


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _cookies(header: str) -> dict[str, str]:
    pairs = [part.strip().partition("=") for part in header[:8192].split(";")]
    return {name: value for name, _, value in reversed(pairs)}  # of a name twice, the first


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None
