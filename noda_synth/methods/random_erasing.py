"""Random erasing (Zhong et al. 2017, the NODA paper's [19]): a rectangle of random area and shape becomes noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from noda_synth.methods.base import Subject
from noda_synth.methods.fill import FILLS
from noda_synth.methods.hole import Hole, HoleMethod
from noda_synth.settings import one_of, within

_TRIES = 100


@dataclass(frozen=True)
class RandomErasingSettings:
    """The paper's parameters, and its RE-R: every pixel a random value.

    Attributes:
        area: range of the rectangle's area, as a share of the person's box (the paper's s_l and s_h).
        aspect: range of its height / width (r_1 and r_2 = 1 / r_1).
        fill: what is put there: "noise", "mean" or "black".
    """

    area: tuple[float, float] = (0.02, 0.4)
    aspect: tuple[float, float] = (0.3, 1 / 0.3)
    fill: str = "noise"

    def __post_init__(self) -> None:
        within("area", self.area, 0.0001, 1)
        within("aspect", self.aspect, 0.01, 100)
        one_of("fill", self.fill, FILLS)


class RandomErasing(HoleMethod[RandomErasingSettings]):
    settings_type = RandomErasingSettings

    def draw(self, subject: Subject, rng: np.random.Generator) -> tuple[Hole | None, str]:
        """Area and shape are drawn until the rectangle fits into the person's box; its position in there is any."""
        box = subject.box
        for _ in range(_TRIES):
            area = rng.uniform(*self.settings.area) * box.width * box.height
            aspect = rng.uniform(*self.settings.aspect)
            width, height = (max(1, round(float(np.sqrt(value)))) for value in (area / aspect, area * aspect))
            if width <= box.width and height <= box.height:
                left = box.left + int(rng.integers(box.width - width + 1))
                top = box.top + int(rng.integers(box.height - height + 1))
                return Hole(left, top, width, height, *self.draw_fill(rng)), ""
        return None, f"no rectangle fits into the person's box in {_TRIES} tries"
