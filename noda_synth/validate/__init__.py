"""The faults of a data set that would harm training: all of them, each with its file and record and a way out."""
