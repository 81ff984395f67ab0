"""The demo data set: people drawn by a small renderer, so that joints, outlines and occlusion are known exactly.

`people` are bodies in poses, dressed; `places` are where they are and what stands around; `optics` makes pixels of it;
all three are made of `mesh` (surfaces), `fabric`, `patterns`, `colours` and `noise` (what surfaces look like). `scene`
says who stands where, `truth` what can be seen of whom, `dataset` writes the files.

The world is measured in metres: x to the right of the picture, y up, z towards the camera; the floor is y = 0.
All that is random is drawn from a generator that is passed in.
"""
