"""Training and evaluation of pose networks on MPII, on COCO's sets, and on what `noda-synth render` makes of them.

Knows nothing of masks or pools: it shares with `noda_synth` the joint order and the readers of annotation files.

    config.py, presets/   what is trained, and how: every number of the protocol
    data.py               a data set as arrays
    cache.py              crops of persons, cut once, so that training never decodes full frames
    warp.py, targets.py   affine maps, crops, flips, heatmaps and decoding, as batched tensor operations
    models/               Simple Baselines (ResNet) and HRNet; weight files
    fit.py                the training loop; checkpoint.py, distributed.py
    predict.py            a network's predictions on the original images
    pck.py, pckh.py, oks.py, average_precision.py   the metrics; scoring.py, all of them for anybody's predictions
    truth.py, results.py  the files that they read and write
    evaluate.py           numbers, tables, comparisons; pictures.py
    bench.py, export.py   samples/s; ONNX and slim weight files
    cli/                  the commands: a thin module each
"""
