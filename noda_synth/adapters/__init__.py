"""Thin adapters to other people's loaders, one per library, which each file alone imports: docs/python.md."""
