"""Exit codes, the same for every command."""

DONE = 0
FINDING = 1
WRONG_REQUEST = 2
CELL_FAILED = 3
CANT_TELL = 4
INTERRUPTED = 130
