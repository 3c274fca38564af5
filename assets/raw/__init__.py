"""The raw layer: asking the vendor and keeping every answer."""
