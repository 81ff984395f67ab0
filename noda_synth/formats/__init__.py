"""Annotation files: the original MPII .mat, MPII JSON and COCO keypoints, told by content.

Everything is 0-based inside and 1-based in MPII's files; numbers that were read are written back as they were.
"""

from noda_synth.formats.detect import detect
from noda_synth.formats.layout import Layout, find_layout
from noda_synth.formats.read import read_dataset

__all__ = ["Layout", "detect", "find_layout", "read_dataset"]
