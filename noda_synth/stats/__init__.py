"""What is in a data set, plain or rendered: joints by kind and state, and what the renders cover (paper, Fig. 1)."""
