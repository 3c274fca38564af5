"""A hostile FHIR R4 server, served over real HTTP on loopback: right by default, wrong in any way it is told to be.

It is the truth the exporter is tested against; for that it shares nothing with the client: no shapes, no parsing.
``World`` is what there is to know and how it behaves, ``Fault`` what goes wrong, ``build_app`` the HTTP face,
``running`` puts it on a port. Controls are under ``/_control``.
"""

from connectors.fhir_server.sandbox.app import build_app
from connectors.fhir_server.sandbox.faults import Fault, Faults
from connectors.fhir_server.sandbox.server import running
from connectors.fhir_server.sandbox.world import World

__all__ = ["Fault", "Faults", "World", "build_app", "running"]
