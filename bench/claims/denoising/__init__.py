"""The forum's last question as an experiment: a new layer at the input, and noisy digits."""
