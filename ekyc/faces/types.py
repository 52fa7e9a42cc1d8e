"""What is found on a picture, and the error of an installation whose models cannot be used."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""A face as numbers, length 1. Compared and dropped: never written anywhere."""


class FaceModelError(RuntimeError):
    """The models of the installation are missing, altered or not what the setting promises. For the operator."""


@dataclass(frozen=True)
class Face:
    """One face, in pixels of its picture.

    ``box``: left, top, right, bottom; ``landmarks``: 5 × 2, eyes, nose, corners of the mouth, of each pair first the one on
    the left of the picture. ``score``: 0 to 1.

    ``bbox``, ``kps`` and ``det_score`` are the names under which insightface knows the same.
    """

    box: tuple[float, float, float, float]
    landmarks: NDArray[np.float32] = field(compare=False)
    score: float

    @property
    def area(self) -> float:
        """Square pixels of the box."""
        left, top, right, bottom = self.box
        return max(0.0, right - left) * max(0.0, bottom - top)

    @property
    def eye_distance(self) -> float:
        """Pixels between the eyes."""
        return float(np.linalg.norm(self.landmarks[0] - self.landmarks[1]))

    def enlarged(self, factor: float) -> Face:
        """The same face on the picture made *factor* times larger."""
        left, top, right, bottom = (edge * factor for edge in self.box)
        return Face((left, top, right, bottom), (self.landmarks * factor).astype(np.float32), self.score)

    @property
    def bbox(self) -> NDArray[np.float32]:
        """``box`` as an array of 4."""
        return np.asarray(self.box, np.float32)

    @property
    def kps(self) -> NDArray[np.float32]:
        """``landmarks``."""
        return self.landmarks

    @property
    def det_score(self) -> float:
        """``score``."""
        return self.score
