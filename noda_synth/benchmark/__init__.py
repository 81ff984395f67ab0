"""The occluded benchmark: twins of the validation set, whose labels do not depend on any pixel. See docs/benchmark.md.

`figures` are bodies in whole numbers, `decide` says who is covered by whom and where, `paint` makes the pictures agree
with that, `labels` and `write` make the folder, `verify` checks one.
"""
