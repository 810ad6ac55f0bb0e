"""Flags that are set late: before the weights, in mid-training, after a wrap or a compilation."""
