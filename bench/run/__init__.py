"""How cells get their turns: the conductor, its workers, and what the workers do."""
