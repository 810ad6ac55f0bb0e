"""The history of a machine, in every form."""
