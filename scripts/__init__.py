"""Programs of this repository; `scripts/tables` is a package of its own, for `scripts/table.py`."""
