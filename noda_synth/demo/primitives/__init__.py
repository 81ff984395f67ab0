"""What everything drawn is made of: meshes, noise, cloth, colours, and draws of chance."""
