"""Tests of ``schemas.fhir``."""
