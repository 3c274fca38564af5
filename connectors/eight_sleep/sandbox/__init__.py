"""The Eight Sleep sandbox: simulated beds with invented sleepers, served over real HTTP on loopback.

It answers like the documented REST API and is the truth the client is tested against; for that it shares nothing with
the client: no shapes, no codes, no parsing. ``World`` is what there is to know (accounts, beds, tokens, one clock),
``build_app`` the HTTP face of it, ``running`` puts it on a port, ``Faults`` say what goes wrong there and ``Limits``
count and enforce. Nights (intervals and trends) are not simulated.
"""

from connectors.eight_sleep.sandbox.app import build_app
from connectors.eight_sleep.sandbox.faults import Fault, Faults
from connectors.eight_sleep.sandbox.limits import Limits
from connectors.eight_sleep.sandbox.server import Addresses, running
from connectors.eight_sleep.sandbox.world import World

__all__ = ["Addresses", "Fault", "Faults", "Limits", "World", "build_app", "running"]
