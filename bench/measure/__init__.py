"""The instruments: each reads one thing of one training step."""
