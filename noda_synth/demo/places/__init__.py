"""Places: floors, walls, and things that stand around."""
