"""Two stored runs, compared by their ratios to `full`."""
