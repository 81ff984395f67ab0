"""Pools of bodies that were cut out: built, written and read."""
