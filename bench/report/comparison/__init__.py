"""What a comparison of runs says, in every form, made from a `Comparison` alone."""
