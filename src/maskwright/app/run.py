"""From a workplace to a running server: a socket, its address, and a clean end."""

import hashlib
import os
import secrets
import signal
import socket
import webbrowser
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import uvicorn

from maskwright.app.guards import hosts_for
from maskwright.app.server import create_app
from maskwright.app.workplace import Workplace
from maskwright.errors import UsageError
from maskwright.image.publish import atomic_write
from maskwright.weights.download import cache_folder

_BACKLOG = 128
_STOPPED = (signal.SIGINT, signal.SIGTERM)


def run_server(
    workplace: Workplace,
    *,
    host: str,
    port: int,
    say: Callable[[str], None],
    open_page: bool = False,
) -> bool:
    """Serve until SIGINT or SIGTERM; return whether all that was being computed came to its end.

    If not, threads still compute what nobody waits for: leave without waiting for them.

    Args:
        workplace: What is served; closed at the end.
        host: Address or name to bind.
        port: To bind; 0 is any free one.
        say: Called with the address of the page once it can be asked.
        open_page: Open it in the browser.

    Raises:
        UsageError: If the address cannot be bound.
        OutputError: If the token cannot be kept.
    """
    try:
        listening = _bound(host, port)
        token = kept_token(workplace.gallery.folder)
    except Exception:
        workplace.close()
        raise
    app = create_app(workplace, token=token, hosts=hosts_for(host))
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        ws="none",
        timeout_keep_alive=30,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=32 * 1024,
    )
    server = uvicorn.Server(config)

    def stop(number: int, frame: object) -> None:
        server.should_exit = True

    # For a signal before the server listens to them, and for those that it raises again at its end.
    before = [signal.signal(each, stop) for each in _STOPPED]
    try:
        url = page_url(host, listening.getsockname()[1], token)
        say(url)
        if open_page:
            webbrowser.open(url)
        server.run(sockets=[listening])
    finally:
        for each, handler in zip(_STOPPED, before, strict=True):
            signal.signal(each, handler)
        listening.close()
        is_ended = workplace.close()
    return is_ended


def page_url(host: str, port: int, token: str) -> str:
    """Return the address that lets a browser in."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}/?token={token}"


def kept_token(folder: Path) -> str:
    """Return the token of a folder, made at the first start, so that open pages go on after one.

    It lies in the cache folder, readable by its owner only.

    Raises:
        OutputError: If it cannot be written.
    """
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    path = cache_folder() / "tokens" / name
    try:
        token = path.read_text(encoding="ascii").strip()
        if len(token) >= 32 and path.stat().st_mode & 0o077 == 0:
            return token
    except (OSError, ValueError):
        pass
    token = secrets.token_urlsafe(32)
    before = os.umask(0o077)
    try:
        with atomic_write(path, overwrite=True) as stream:
            stream.write(token.encode())
    finally:
        os.umask(before)
    return token


def _bound(host: str, port: int) -> socket.socket:
    """Return a socket at which can be asked from now on; answers come once the server runs."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with ExitStack() as undone:
            listening = undone.enter_context(socket.socket(family, kind, protocol))
            if os.name != "nt":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
            undone.pop_all()
    except OSError as error:
        raise UsageError(
            f"expected an address of this machine and a free port, got {host}:{port}"
            f" ({error.strerror or error}); choose another --port, or 0 for any"
        ) from error
    return listening
