"""People: proportions, poses, bodies, heads and hair, clothes, and whole figures of them all."""
