"""Load a run, take a port, and answer until stopped."""

import errno
import logging
import socket
from collections.abc import Callable
from pathlib import Path

from luthier.errors import ConflictError, UserError

Ready = Callable[[str, list[str]], None]
LOOPBACK_ADDRESSES = ("127.0.0.1", "localhost", "::1")


def start(run: Path, *, host: str | None, port: int | None, ready: Ready) -> None:
    """Serve a run's models on a loopback address; `ready` gets the address and the names of the models.

    Raises ConflictError if the port is taken and UserError for an address that others could reach.
    """
    import uvicorn

    from luthier.http.app import create_app
    from luthier.pipeline.actions.answers import open_host
    from luthier.pipeline.project import open_run

    settings = open_run(run).config.serve
    listening = listen(host or settings.host, settings.port if port is None else port)
    with listening:
        served = open_host(run)
        address, number = listening.getsockname()[:2]
        ready(f"http://{f'[{address}]' if ':' in address else address}:{number}", list(served.router.routes))
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        config = uvicorn.Config(create_app(served), log_config=None, access_log=False, timeout_graceful_shutdown=30)
        uvicorn.Server(config).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket on a loopback address; port 0 takes any free one."""
    if host not in LOOPBACK_ADDRESSES:
        raise UserError(
            f"serve.host {host}: others could reach this address, and the server has no keys yet. "
            "Use 127.0.0.1, and a proxy with access control in front of it."
        )
    taken = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, port))
        # Listening before the models are loaded: early callers wait instead of being refused.
        taken.listen(128)
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise ConflictError(f"port {port} on {host} is in use. Choose another one: --port {port + 1}") from None
        raise UserError(
            f"port {port} on {host} cannot be used ({error.strerror}). Choose another one: --port 8080"
        ) from None
    return taken
