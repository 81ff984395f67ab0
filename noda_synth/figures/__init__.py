"""Pictures to look at and to print: charts, the mask levels, contact sheets. `style` is how all of them look."""
