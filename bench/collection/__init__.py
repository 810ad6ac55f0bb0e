"""Many runs as one: an index of them, what may lie side by side, and how they travel."""
