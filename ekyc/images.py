"""Bytes that say they are a photograph, to pixels: the only way a file of somebody else comes into the room.

Whatever is not pixels (EXIF, colour profiles, a second file behind the first) ends here. Limits are checked on the header,
before anything is unpacked.
"""

from __future__ import annotations

import io
import warnings

import cv2
import numpy as np
import pillow_heif
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from ekyc.results import Image

MAX_BYTES = 16_000_000
MAX_PIXELS = 50_000_000
"""A phone of 48 megapixels; more is a bomb or a mistake."""
MIN_SIDE = 64
LONGEST_SIDE = 2600
"""Pixels kept: small print on a card that fills a third of the picture is still 20 pixels high."""
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF", "MPO")

pillow_heif.register_heif_opener(thumbnails=False)


class UnreadableImageError(ValueError):
    """Not a photograph that can be used. ``code`` for programs, the message in Vietnamese for the sender.

    Codes: ``empty``, ``too_large`` (bytes or pixels), ``too_tiny``, ``unknown_format``, ``animated``, ``broken``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def load(content: bytes) -> Image:
    """The picture in *content*, turned as EXIF says, its longer side at most ``LONGEST_SIDE`` pixels.

    Errors: UnreadableImageError.
    """
    if not content:
        raise UnreadableImageError("empty", "Tệp ảnh trống. Xin chụp lại rồi gửi.")
    if len(content) > MAX_BYTES:
        raise UnreadableImageError("too_large", f"Ảnh nặng quá {MAX_BYTES // 1_000_000} MB. Xin gửi ảnh nhẹ hơn.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limit warns below ours; damaged EXIF is of no interest
            with Pillow.open(io.BytesIO(content), formats=FORMATS) as opened:
                return _pixels(opened)
    except UnidentifiedImageError as error:
        raise UnreadableImageError(
            "unknown_format", "Tệp này không phải ảnh JPEG, PNG, WebP hoặc HEIC. Xin gửi ảnh chụp."
        ) from error
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Pillow.DecompressionBombError) as error:
        if isinstance(error, UnreadableImageError):
            raise
        raise UnreadableImageError("broken", "Ảnh bị hỏng hoặc gửi chưa hết. Xin chụp lại rồi gửi.") from error


def _pixels(opened: Pillow.Image) -> Image:
    width, height = opened.size
    if width * height > MAX_PIXELS:
        raise UnreadableImageError("too_large", "Ảnh quá lớn. Xin gửi ảnh dưới 50 megapixel.")
    if min(width, height) < MIN_SIDE:
        raise UnreadableImageError("too_tiny", "Ảnh quá nhỏ, không đọc được chữ. Xin chụp lại gần hơn.")
    if getattr(opened, "n_frames", 1) > 1 and opened.format not in (
        "MPO",
        "HEIF",
    ):  # phones keep a second view in those
        raise UnreadableImageError("animated", "Đây là ảnh động. Xin gửi ảnh chụp thường.")
    if opened.format == "JPEG":
        opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # decodes at a half or a quarter where that is enough
    turned = ImageOps.exif_transpose(opened)
    turned.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Pillow.Resampling.LANCZOS, reducing_gap=2.0)
    if turned.mode in ("RGBA", "LA", "PA") or "transparency" in turned.info:
        turned = turned.convert("RGBA")
        white = Pillow.new("RGBA", turned.size, "white")
        turned = Pillow.alpha_composite(white, turned)
    return cv2.cvtColor(np.asarray(turned.convert("RGB"), dtype=np.uint8), cv2.COLOR_RGB2BGR).astype(
        np.uint8, copy=False
    )


def encode(image: Image, *, quality: int = 90) -> bytes:
    """*image* as JPEG, nothing but pixels."""
    good, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise ValueError("the picture cannot be encoded")
    return data.tobytes()
