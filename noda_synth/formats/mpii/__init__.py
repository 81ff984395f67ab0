"""MPII's files: JSON lists, the original .mat, gt_valid.mat, and who is for validation."""
