"""What a gate says: on the terminal, for a job summary, for machines, beside the code."""
