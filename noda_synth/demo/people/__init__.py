"""People: proportions, poses, bodies, heads, clothes."""
