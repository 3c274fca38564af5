"""The Asleep sandbox: a simulated vendor with invented sleepers, served over real HTTP on loopback.

It answers like the documented REST API and is the truth the pipeline is tested against; for that it shares nothing with
the client: no shapes, no codes, no parsing. ``World`` is what there is to know, ``build_app`` the HTTP face of it,
``serve`` and ``running`` put it on a port. Faults, webhooks and audio uploads are not simulated.
"""

from connectors.asleep.sandbox.app import build_app
from connectors.asleep.sandbox.server import running, serve
from connectors.asleep.sandbox.world import World

__all__ = ["World", "build_app", "running", "serve"]
