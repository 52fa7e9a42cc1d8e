"""Faces on a picture: where they are, whether two pictures show the same person. Vectors live for one comparison.

Through insightface's interfaces; YuNet and SFace by default, another pack by ``EKYC_MODEL_DIR``. Nothing is ever downloaded.
"""

from ekyc.faces.matching import best_face, compare, decide, detect, embed, match, similarity, vectors
from ekyc.faces.models import prepare
from ekyc.faces.types import Face, FaceModelError, Vector

__all__ = [
    "Face",
    "FaceModelError",
    "Vector",
    "best_face",
    "compare",
    "decide",
    "detect",
    "embed",
    "match",
    "prepare",
    "similarity",
    "vectors",
]
