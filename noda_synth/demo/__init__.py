"""The demo data set: people drawn by a small renderer, so that every joint, outline and occlusion is known exactly.

From the inside out: `anatomy` (proportions and bones), `pose` (angles of the joints), `mesh` (surfaces), `body`, `head`
and `clothes` (the surfaces of a person), `fabric` (what they are made of), `figure` (a whole person), `props` and
`scenery` (what stands around), `raster` and `light` (from surfaces to pixels), `scene` (who stands where), `photo` (what
a camera does to it), `truth` (what can be seen), `dataset` (the files).

The world is measured in metres: x to the right of the picture, y up, z towards the camera; the floor is y = 0.
"""
