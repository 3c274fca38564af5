"""The FHIR layer: lake rows as FHIR R4 resources in NDJSON."""
