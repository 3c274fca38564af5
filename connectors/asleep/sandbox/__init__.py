"""The Asleep sandbox: a simulated vendor with invented sleepers, served over real HTTP on loopback.

It answers like the documented REST API and is the truth the pipeline is tested against; for that it shares nothing with
the client: no shapes, no codes, no parsing. ``World`` is what there is to know, ``build_app`` the HTTP face of it,
``serve`` and ``running`` put it on a port, ``Faults`` say what goes wrong there and ``Meter`` what pace it has seen.
Webhooks are posted once the controls name an address; audio uploads are not simulated. How to use it alone is in
docs/sandbox.md.
"""

from connectors.asleep.sandbox.app import build_app
from connectors.asleep.sandbox.faults import Faults
from connectors.asleep.sandbox.meter import Limit, Meter
from connectors.asleep.sandbox.profiles import PROFILES
from connectors.asleep.sandbox.rules import Rule
from connectors.asleep.sandbox.server import running, serve
from connectors.asleep.sandbox.world import World

__all__ = ["PROFILES", "Faults", "Limit", "Meter", "Rule", "World", "build_app", "running", "serve"]
