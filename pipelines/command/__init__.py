"""The ``nightshift`` command, one file a subject. Dagster, pandas and pyarrow are loaded only by what needs them."""
