"""From settings to the destinations that Nightshift exports to: how to reach them and how to export."""

from importlib.metadata import version

from assets.exports.fhir_report import ExportSettings
from connectors.errors import WrongUsage
from connectors.fhir_server.assertion import SigningKey
from connectors.fhir_server.auth import BearerToken, Login, NoLogin, SmartClient, UnusableLogin
from connectors.fhir_server.connection import FhirConnection
from connectors.home import Home
from pipelines.settings import Settings


def fhir_connection(settings: Settings, home: Home) -> FhirConnection | None:
    """The FHIR server of the settings, with this home's budget; None when there is none.

    A login that cannot be used is told when the connection is opened: what is pulled and built does not wait for it.
    """
    if settings.fhir_base_url is None:
        return None
    try:
        login: Login | UnusableLogin = _fhir_login(settings)
    except WrongUsage as error:
        login = UnusableLogin(str(error))
    return FhirConnection(
        base_url=settings.fhir_base_url,
        budget_file=home.root / "locks" / "fhir.budget",
        login=login,
        requests_per_second=settings.fhir_requests_per_second,
        clock=home.clock,
    )


def _fhir_login(settings: Settings) -> Login:
    if settings.fhir_token:
        return BearerToken(settings.fhir_token.get_secret_value())
    if settings.fhir_client_id is None or settings.fhir_private_key_file is None:
        return NoLogin()
    try:
        pem = settings.fhir_private_key_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise WrongUsage("FHIR_PRIVATE_KEY_FILE cannot be read: name a PEM file that this user may read.") from None
    key = SigningKey(pem, settings.fhir_key_id or "")
    client_id = settings.fhir_client_id.get_secret_value()
    return SmartClient(client_id, key, settings.fhir_scope, settings.fhir_token_url)


def export_settings(settings: Settings) -> ExportSettings:
    """How to export to a FHIR server."""
    return ExportSettings(
        version("nightshift"), settings.nightshift_fhir_provenance, settings.nightshift_fhir_validated_share
    )
