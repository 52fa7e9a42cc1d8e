"""Bytes that say they are a photograph, to pixels: the only way a file of somebody else comes into the room.

Whatever is not pixels (EXIF, colour profiles, a second file behind the first) ends here. Limits are checked on the header,
before anything is unpacked.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as Pillow

from ekyc.results import Image

MAX_BYTES = 16_000_000
MAX_PIXELS = 50_000_000
"""A phone of 48 megapixels; more is a bomb or a mistake."""
MIN_SIDE = 64
LONGEST_SIDE = 2600
"""Pixels kept: small print on a card that fills a third of the picture is still 20 pixels high."""
FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
"""MPO (a phone's picture with a second view) opens as JPEG."""

pillow_heif.register_heif_opener(thumbnails=False)


class UnreadableImageError(ValueError):
    """Not a photograph that can be used. ``code`` for programs, the message in Vietnamese for the sender.

    Codes: ``empty``, ``too_large`` (bytes or pixels), ``too_tiny``, ``unknown_format``, ``animated``, ``broken``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def load(content: bytes, most: int = MAX_PIXELS) -> Image:
    """The picture in *content* of *most* so many pixels, turned as EXIF says, its longer side at most ``LONGEST_SIDE`` pixels.

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
                return _pixels(opened, most)
    except UnreadableImageError:
        raise
    except UnidentifiedImageError as error:
        raise UnreadableImageError(
            "unknown_format", "Tệp này không phải ảnh JPEG, PNG, WebP hoặc HEIC. Xin gửi ảnh chụp."
        ) from error
    except Pillow.DecompressionBombError as error:
        raise _too_many_pixels(most) from error
    except Exception as error:  # decoders fail in ways of their own on damaged and hostile files
        raise UnreadableImageError("broken", "Ảnh bị hỏng hoặc gửi chưa hết. Xin chụp lại rồi gửi.") from error


def load_file(path: Path) -> Image:
    """The picture in the file at *path*; no more of it is read than a picture may have.

    Errors: OSError; UnreadableImageError.
    """
    with path.open("rb") as file:
        return load(file.read(MAX_BYTES + 1))


def _too_many_pixels(most: int) -> UnreadableImageError:
    return UnreadableImageError("too_large", f"Ảnh quá lớn. Xin gửi ảnh dưới {most // 1_000_000} megapixel.")


def _too_tiny() -> UnreadableImageError:
    return UnreadableImageError("too_tiny", "Ảnh quá nhỏ, không đọc được chữ. Xin chụp lại gần hơn.")


def _pixels(opened: Pillow.Image, most: int) -> Image:
    width, height = opened.size
    if width * height > most:
        raise _too_many_pixels(most)
    if min(width, height) < MIN_SIDE:
        raise _too_tiny()
    # Phones keep a second view in MPO and HEIF; the first is the photograph.
    if getattr(opened, "n_frames", 1) > 1 and opened.format not in ("MPO", "HEIF"):
        raise UnreadableImageError("animated", "Đây là ảnh động. Xin gửi ảnh chụp thường.")
    if opened.format == "JPEG":
        opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # decodes at a half or a quarter where that is enough
    turn = _TURNS.get(_orientation(opened))
    plain = _plain(opened)
    plain.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Pillow.Resampling.LANCZOS, reducing_gap=2.0)
    if min(plain.size) < MIN_SIDE:  # a strip
        raise _too_tiny()
    turned = plain if turn is None else plain.transpose(turn)
    return cv2.cvtColor(np.asarray(turned, dtype=np.uint8), cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)


_TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""What undoes the orientation of the EXIF standard (tag 0x0112)."""


def _orientation(opened: Pillow.Image) -> int:
    """As EXIF says; upright when EXIF is damaged: the pixels may be good all the same."""
    try:
        return int(opened.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 - damaged EXIF fails in the same many ways as damaged pixels
        return 1


def _plain(opened: Pillow.Image) -> Pillow.Image:
    """Red, green and blue of 8 bits; what is transparent becomes white."""
    if opened.mode.startswith("I"):  # 16 bits of gray: Pillow's own conversion would cut off instead of scaling
        gray = np.asarray(opened, dtype=np.int32)
        return Pillow.fromarray((np.clip(gray, 0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if opened.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in opened.info:
        clear = opened.convert("RGBA")
        return Pillow.alpha_composite(Pillow.new("RGBA", clear.size, "white"), clear).convert("RGB")
    return opened.convert("RGB")


def encode(image: Image, *, quality: int = 90) -> bytes:
    """*image* as JPEG, nothing but pixels."""
    good, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not good:
        raise ValueError("the picture cannot be encoded")
    return data.tobytes()
