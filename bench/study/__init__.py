"""How often the time gate is wrong, from lives and gates of the gate itself."""
