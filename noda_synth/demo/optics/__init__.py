"""Optics: the camera, which surface each pixel shows, light and shadows, and the photograph's flaws."""
