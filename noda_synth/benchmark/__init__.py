"""The occluded benchmark: twins of the validation set, whose labels do not depend on any pixel. See docs/benchmark.md.

`protocol` has the numbers that are fixed, `capsules` are bodies in whole numbers, `decide` says who is covered by whom
and where, `paint` makes the pictures agree with that, `shards` spreads both over workers, `labels` and `write` make the
folder, `hashes` and `verify` check one, and `folder` is for those who only read it.
"""
