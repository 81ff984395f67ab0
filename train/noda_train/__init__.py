"""Training and evaluation of pose networks on MPII, on COCO's sets, and on what `noda-synth render` makes of them.

It knows nothing of masks or pools. With `noda_synth` it shares joint orders, readers of annotations and images, the
parser of settings, and the writing of files.

    settings.py, presets/   what is trained, and how: every number of the protocol
    data.py                 a data set as arrays
    cache.py                crops of persons, cut once, so that training never decodes full frames
    geometry.py, warp.py    affine maps, augmentations, crops and flips, many at a time
    targets.py              heatmaps: drawing them, the loss, decoding
    models/                 Simple Baselines (ResNet) and HRNet; weight files
    pipeline.py             from the cache to batches on the device
    fit.py                  the training loop; checkpoint.py, distributed.py, journal.py
    runs.py, predict.py     trained networks, and their predictions on the original images
    metrics/                PCKh, PCK, OKS and AP of anybody's predictions; needs no torch
    evaluate.py             a network's numbers; occlusion_benchmark.py, outputs.py, pictures.py
    speed.py, export.py     samples/s; ONNX and slim weight files
    tables/                 the paper's tables: renders, trains, compares
    cli/                    the commands: a thin module each
"""
