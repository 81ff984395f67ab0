"""Optics: from surfaces and light to a photograph."""
