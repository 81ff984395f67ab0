"""Outfits: what a person wears, as places on the body where clothes begin and end."""

from __future__ import annotations

from dataclasses import dataclass

from noda_synth.demo.primitives.chance import Random, likely, weighted


@dataclass(frozen=True)
class Outfit:
    """Heights are fractions of body height; None for what is not worn.

    Attributes:
        hem: lower edge of the shirt.
        sleeve: lower end of the sleeves; None for a sleeveless shirt.
        legs: lower end of trousers or shorts.
        skirt: lower edge of a skirt.
        ease: metres between body and shirt.
        flare: metres by which trouser legs stand off at their end.
        shoes: metres by which shoes are larger than feet; None for bare feet.
        hood: the shirt is a jacket with a hood.
    """

    hem: float | None
    sleeve: float | None
    legs: float | None
    skirt: float | None
    ease: float
    flare: float
    shoes: float | None
    hood: bool

    @property
    def untucked(self) -> bool:
        return self.hem is not None and self.hem < 0.55

    @property
    def seat_ease(self) -> float:
        """Metres between the seat and the trousers over it."""
        return 0.35 * self.flare + 0.004


def draw_outfit(random: Random, *, feminine: bool) -> Outfit:
    u = random.uniform
    hood = likely(random, 0.2)
    sleeve = u(0.497, 0.51) if hood else weighted(random, {u(0.68, 0.73): 11, u(0.50, 0.53): 7, u(0.58, 0.62): 2})
    skirt = u(0.28, 0.44) if feminine and likely(random, 0.32) else None
    legs = weighted(random, {u(0.05, 0.075): 9, u(0.30, 0.40): 5, u(0.12, 0.2): 1})
    bare = not skirt and legs > 0.3 and not hood and not feminine and likely(random, 0.12)
    tucked = skirt is not None or likely(random, 0.25)
    return Outfit(
        hem=None if bare else u(0.555, 0.585) if tucked else u(0.455, 0.515),
        sleeve=None if not hood and likely(random, 0.15) else sleeve,
        legs=None if skirt else legs,
        skirt=skirt,
        ease=u(0.016, 0.03) if hood else u(0.006, 0.018),
        flare=u(0.002, 0.018) if feminine else u(0.004, 0.03),
        shoes=None if likely(random, 0.1) else u(0.004, 0.010),
        hood=hood,
    )
