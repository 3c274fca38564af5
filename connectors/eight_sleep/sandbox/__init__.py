"""The Eight Sleep sandbox: simulated beds with invented sleepers and their nights, served over real HTTP on loopback.

It answers like the documented REST API and like the one community clients use, and is the truth the client is tested
against; for that it shares nothing with the client: no shapes, no codes, no parsing. ``World`` is what there is to
know (accounts, beds, nights, tokens, one clock), ``build_app`` the HTTP face of it, ``running`` puts it on a port,
``Faults`` say what goes wrong there and ``Limits`` count and enforce; ``TrueNight`` is a night from outside, which a
bed sees with noise. What can be switched is listed under ``/_control/bed``.
"""

from connectors.eight_sleep.sandbox.app import build_app
from connectors.eight_sleep.sandbox.faults import Fault, Faults
from connectors.eight_sleep.sandbox.limits import Limits
from connectors.eight_sleep.sandbox.noise import TrueNight, Truth
from connectors.eight_sleep.sandbox.server import Addresses, running
from connectors.eight_sleep.sandbox.world import World

__all__ = ["Addresses", "Fault", "Faults", "Limits", "TrueNight", "Truth", "World", "build_app", "running"]
