"""Training and evaluation of pose networks on MPII, on COCO's sets, and on what `noda-synth render` makes of them.

Knows nothing of masks or pools: it shares with `noda_synth` the joint order and the readers of annotation files.

    settings.py, presets/  what is trained, and how: every number of the protocol
    data.py               a data set as arrays
    cache.py              crops of persons, cut once, so that training never decodes full frames
    warp.py, targets.py   affine maps, crops, flips, heatmaps and decoding, as batched tensor operations
    models/               Simple Baselines (ResNet) and HRNet; weight files
    fit.py                the training loop; checkpoint.py, distributed.py
    predict.py            a network's predictions on the original images
    metrics/              PCKh, PCK, OKS and AP of anybody's predictions: needs no torch
    outputs.py            the files that an evaluation leaves
    evaluate.py           numbers of a network; pictures.py
    occlusion_benchmark.py   scores on the twins of `noda-synth benchmark`
    speed.py, export.py   samples/s; ONNX and slim weight files
    tables/               the paper's tables as grids of experiments
    cli/                  the commands: a thin module each
"""
