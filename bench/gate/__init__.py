"""The gate: base against head, with an answer that CI can act on."""
