"""Files of any kind: whole or not at all, told by content, and what is wrong with them."""
