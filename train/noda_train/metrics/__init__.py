"""The metrics of predictions, and the files that they read. Needs no torch."""
