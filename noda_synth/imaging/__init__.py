"""Images: reading and writing their files, and what is pasted over a picture."""
