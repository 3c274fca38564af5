"""Run by the Python of the FHIR server's environment: sekmet-fhir on a free loopback port until stdin ends.

The only argument is JSON: settings of the server, over those below. The base address is printed once it answers. That
stdin ends when whoever started it dies, however it dies, keeps a server from being left behind.
"""

import json
import socket
import sys
import threading

import uvicorn  # type: ignore[import-not-found,unused-ignore]
from sekmet.config import Settings  # type: ignore[import-not-found]
from sekmet.main import create_app  # type: ignore[import-not-found]


class Announced(uvicorn.Server):  # type: ignore[misc,unused-ignore]
    """Tells its address when it is up."""

    address = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, then say so."""
        await super().startup(sockets)
        print(self.address, flush=True)  # noqa: T201


def main() -> None:
    """Serve until stdin ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
        # It plays a hospital that answers orders, and writes every exchange down: neither is wanted here.
        quiet = {"base_url": address, "simulator": {"enabled": False}, "log_inbound": False}
        app = create_app(Settings.model_validate({**quiet, **json.loads(sys.argv[1])}))
        server = Announced(uvicorn.Config(app, log_level="error", access_log=False, lifespan="off"))
        server.address = address
        threading.Thread(target=_stop_with_stdin, args=(server,), daemon=True).start()
        server.run(sockets=[listener])


def _stop_with_stdin(server: Announced) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
