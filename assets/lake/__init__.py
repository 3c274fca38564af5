"""The lake: canonical, provider-neutral tables, each a pure function of the raw documents of its partition."""
