"""Annotation files: the original MPII .mat, MPII JSON and COCO keypoints, told by content.

Everything is 0-based inside and 1-based in MPII's files; numbers that were read are written back as they were.
"""

from noda_synth.formats.coco.rle import rle_decode, rle_encode, rle_encode_region, segmentation_mask
from noda_synth.formats.coco.write import coco_annotation, coco_category, coco_image, write_coco
from noda_synth.formats.copy_validation import write_validation
from noda_synth.formats.files.detect import detect
from noda_synth.formats.layout import Layout, find_layout
from noda_synth.formats.mpii.gt_valid import write_gt_valid
from noda_synth.formats.mpii.records import mpii_record, write_mpii_json
from noda_synth.formats.mpii.split import hold_out
from noda_synth.formats.read import read_dataset

__all__ = [
    "Layout",
    "coco_annotation",
    "coco_category",
    "coco_image",
    "detect",
    "find_layout",
    "hold_out",
    "mpii_record",
    "read_dataset",
    "rle_decode",
    "rle_encode",
    "rle_encode_region",
    "segmentation_mask",
    "write_coco",
    "write_gt_valid",
    "write_mpii_json",
    "write_validation",
]
