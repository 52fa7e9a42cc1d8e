"""What distinguishes one drawn person from another: proportions, colours, hair. The seed is the person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[float, float, float]
"""Blue, green, red, 0 to 255."""


@dataclass(frozen=True)
class Person:
    """Lengths in half widths of the picture; the middle of the picture is (0, 0), y grows downwards.

    ``half_width``, ``half_height`` and ``middle`` of the head, ``jaw``: how much it narrows. Eyes: ``eye_x``, ``eye_y``, half a
    length ``eye``, its ``opening`` in parts of it, ``slant``. ``socket``, ``cheek``, ``chin``, ``nose_depth``: heights of the
    relief. ``warp``: seed of the asymmetry.
    """

    woman: bool
    age: float
    half_width: float
    half_height: float
    middle: float
    jaw: float
    eye_x: float
    eye_y: float
    eye: float
    opening: float
    slant: float
    socket: float
    cheek: float
    cheek_x: float
    chin: float
    brow_y: float
    brow: float
    brow_arch: float
    brow_slant: float
    nose_y: float
    nose_width: float
    nose_depth: float
    mouth_y: float
    mouth_width: float
    upper_lip: float
    lower_lip: float
    lip: Colour
    skin: Colour
    iris: Colour
    hair: Colour
    hair_top: float
    hair_side: float
    hair_line: float
    fringe: float
    parting: float
    long_hair: float
    bald: bool
    moustache: float
    beard: float
    glasses: float
    glasses_colour: Colour
    mole: tuple[float, float] | None
    cloth: Colour
    backdrop: Colour
    warp: int


_BACKDROPS = ((226, 214, 200), (240, 236, 232), (214, 172, 110), (200, 196, 190), (236, 226, 204), (160, 120, 60))


def person_of(seed: int, *, woman: bool | None = None) -> Person:
    """The person of *seed*; *woman*: as told, or by chance."""
    rng = np.random.default_rng([seed, 77])

    def u(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    by_chance, age = bool(rng.random() < 0.5), u(0, 1)
    is_woman = by_chance if woman is None else woman
    middle, half_height, half_width = u(-0.08, 0.06), u(0.6, 0.8), u(0.42, 0.6)
    eye_y = middle + u(-0.2, -0.06)
    nose_y = eye_y + u(0.22, 0.4)
    mouth_y = nose_y + u(0.15, 0.26)
    tone, warmth, grey = u(0, 1), u(-14, 14), min(1.0, max(0.0, (age - u(0.4, 0.8)) * 2.5))
    brown = u(0, 1) ** 2
    dark = (24 + 30 * brown, 26 + 44 * brown, 32 + 70 * brown)
    blue, green, red = ((1 - grey) * a + grey * b for a, b in zip(dark, (176, 178, 182), strict=True))
    man_only = 0.0 if is_woman else 1.0
    return Person(
        woman=is_woman,
        age=age,
        half_width=half_width,
        half_height=half_height,
        middle=middle,
        jaw=u(0.0, 0.4),
        eye_x=u(0.17, 0.265),
        eye_y=eye_y,
        eye=u(0.062, 0.105),
        opening=u(0.26, 0.62),
        slant=u(-0.25, 0.2),
        socket=u(0.03, 0.14),
        cheek=u(0.0, 0.09),
        cheek_x=u(0.22, 0.36),
        chin=u(0.0, 0.1),
        brow_y=eye_y - u(0.11, 0.21),
        brow=u(0.008, 0.042),
        brow_arch=u(-0.01, 0.07),
        brow_slant=u(-0.25, 0.2),
        nose_y=nose_y,
        nose_width=u(0.055, 0.135),
        nose_depth=u(0.05, 0.2),
        mouth_y=mouth_y,
        mouth_width=u(0.11, 0.24),
        upper_lip=u(0.012, 0.06),
        lower_lip=u(0.02, 0.075),
        lip=(u(70, 120), u(70, 120), u(140, 206)),
        skin=(84 + 92 * tone - warmth, 116 + 86 * tone, 160 + 78 * tone + warmth / 2),
        iris=(u(14, 60), u(20, 60), u(24, 90)),
        hair=(blue, green, red),
        hair_top=u(0.06, 0.28),
        hair_side=u(0.02, 0.16),
        hair_line=u(0.38, 0.78),
        fringe=u(-0.12, 0.4),
        parting=u(-0.4, 0.4),
        long_hair=u(0.5, 1.33) if is_woman and u(0, 1) < 0.7 else 0.0,
        bald=bool(u(0, 1) < 0.18 * man_only),
        moustache=man_only * (u(0.4, 0.9) if u(0, 1) < 0.3 else 0.0),
        beard=man_only * (u(0.35, 0.8) if u(0, 1) < 0.22 else u(0, 0.2)),
        glasses=u(0.006, 0.022) if u(0, 1) < 0.28 else 0.0,
        glasses_colour=(u(10, 130), u(10, 110), u(10, 110)),
        mole=(u(-0.35, 0.35), u(-0.1, 0.5)) if u(0, 1) < 0.3 else None,
        cloth=(u(30, 235), u(30, 235), u(30, 235)),
        backdrop=_BACKDROPS[int(rng.integers(len(_BACKDROPS)))],
        warp=int(rng.integers(2**31)),
    )
