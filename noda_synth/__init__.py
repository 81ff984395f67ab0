"""noda-synth: occlusion-augmented copies of human pose data sets, made from their own people (NODA)."""

from noda_synth.version import __version__

__all__ = ["__version__"]
