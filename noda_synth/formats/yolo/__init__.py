"""YOLO-pose: data.yaml and label files, read and written."""
