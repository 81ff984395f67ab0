"""The version, in a module that imports nothing else."""

__version__ = "0.1.0"


def versions() -> dict[str, str]:
    """The versions that decide on bytes, for reports."""
    import platform

    import cv2
    import numpy as np

    return {
        "noda-synth": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }
