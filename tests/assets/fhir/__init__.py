"""Tests of the FHIR layer."""
