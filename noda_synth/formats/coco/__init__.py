"""COCO keypoints, also under OCHuman's own names: read, written, and their run lengths and ids."""
