"""The demo data set: people drawn by a small renderer, so that joints, outlines and occlusion are known exactly.

`people` are bodies in poses, dressed; `places` are where they are and what stands around; `optics` makes pixels of it;
`primitives` has what all of these are made of. `scene` says who stands where, `backdrop` and `rendering` draw it,
`truth` says what can be seen of whom, `dataset` writes the files.

The world is measured in metres: x to the right of the picture, y up, z towards the camera; the floor is y = 0.
All that is random is drawn from a generator that is passed in.
"""
