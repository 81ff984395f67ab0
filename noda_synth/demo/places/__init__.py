"""Places: scenery of a floor, a wall and light, their surfaces, and props that stand around."""
