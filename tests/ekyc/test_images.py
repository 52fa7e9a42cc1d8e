"""Files of strangers: what is a photograph becomes pixels, everything else a message for the sender."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from ekyc import images

RED, BLUE = (220, 20, 20), (20, 20, 220)


def picture(width: int = 120, height: int = 80, mode: str = "RGB") -> Pillow.Image:
    """Left half red, right half blue."""
    made = Pillow.new("RGB", (width, height), RED)
    made.paste(BLUE, (width // 2, 0, width, height))
    return made.convert(mode)


def saved(image: Pillow.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def is_near(pixel: np.ndarray, colour: tuple[int, int, int]) -> bool:
    return bool(np.abs(pixel[::-1].astype(int) - colour).max() < 25)


def refused(content: bytes) -> str:
    with pytest.raises(images.UnreadableImageError) as caught:
        images.load(content)
    assert str(caught.value)
    return caught.value.code


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_formats_of_phones_are_read(kind: str) -> None:
    loaded = images.load(saved(picture(), kind))
    assert loaded.shape == (80, 120, 3)
    assert loaded.dtype == np.uint8
    assert is_near(loaded[40, 20], RED)
    assert is_near(loaded[40, 100], BLUE)


@pytest.mark.parametrize(
    ("orientation", "shape", "red_at"),
    [
        (1, (80, 120, 3), (40, 20)),
        (2, (80, 120, 3), (40, 100)),
        (3, (80, 120, 3), (40, 100)),
        (4, (80, 120, 3), (40, 20)),
        (5, (120, 80, 3), (20, 40)),
        (6, (120, 80, 3), (20, 40)),
        (7, (120, 80, 3), (100, 40)),
        (8, (120, 80, 3), (100, 40)),
        (99, (80, 120, 3), (40, 20)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_the_picture_is_turned_as_exif_says(
    kind: str, orientation: int, shape: tuple[int, ...], red_at: tuple[int, int]
) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    loaded = images.load(saved(picture(), kind, exif=exif.tobytes()))
    assert loaded.shape == shape
    assert is_near(loaded[red_at], RED)


def test_damaged_exif_does_not_cost_the_photograph() -> None:
    loaded = images.load(saved(picture(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\xff"))
    assert loaded.shape == (80, 120, 3)


def test_forty_megapixels_are_read_smaller() -> None:
    loaded = images.load(saved(Pillow.new("RGB", (8000, 5000), RED), "JPEG"))
    assert loaded.shape == (1625, 2600, 3)
    assert is_near(loaded[800, 1300], RED)


def test_more_pixels_than_any_phone_takes_are_refused() -> None:
    assert refused(saved(Pillow.new("L", (7200, 7000)), "JPEG")) == "too_large"


@pytest.mark.parametrize("side", [8_000, 60_000, 2**31 - 1])
def test_a_bomb_is_refused_by_its_header(side: int) -> None:
    bomb = png_header(side, side) + chunk(b"IDAT", zlib.compress(b"\0" * 1_000_000)) + chunk(b"IEND", b"")
    assert refused(bomb) == "too_large"


def test_a_bomb_of_text_is_refused() -> None:
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 80_000_000, 9))
    content = saved(picture(), "PNG")
    assert refused(content[:33] + text + content[33:]) == "broken"


def test_too_many_bytes_are_refused() -> None:
    assert refused(saved(picture(), "JPEG") + b"\0" * images.MAX_BYTES) == "too_large"


@pytest.mark.parametrize("size", [(1, 1), (63, 500), (500, 63)])
def test_a_picture_of_a_few_pixels_is_refused(size: tuple[int, int]) -> None:
    assert refused(saved(picture(*size), "PNG")) == "too_tiny"


def test_a_strip_that_would_shrink_to_nothing_is_refused() -> None:
    assert refused(saved(picture(20_000, 70), "JPEG")) == "too_tiny"


def test_an_animated_picture_is_refused() -> None:
    frames = [picture(), picture().transpose(Pillow.Transpose.FLIP_LEFT_RIGHT)]
    for kind in ("WEBP", "PNG"):
        assert refused(saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)) == "animated"


def test_the_second_view_of_a_phone_is_ignored() -> None:
    other = Pillow.new("RGB", (120, 80), "green")
    loaded = images.load(saved(picture(), "MPO", save_all=True, append_images=[other]))
    assert is_near(loaded[40, 20], RED)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_that_ends_early_is_refused(kind: str, share: float) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (160, 160, 3), dtype=np.uint8)
    content = saved(Pillow.fromarray(noise), kind)
    assert refused(content[: int(len(content) * share)]) == "broken"


def test_the_first_bytes_alone_are_refused() -> None:
    assert refused(saved(picture(), "JPEG")[:12]) in ("broken", "unknown_format")


@pytest.mark.parametrize(
    "content",
    [
        b"xin ch\xc3\xa0o",
        b"GIF89a" + b"\1\0\1\0\0\0\0;",
        b"GIF89a=1;/*" + b"\0" * 40 + b"*/alert(1)",
        b"%PDF-1.7\n1 0 obj <</Type /XObject /Subtype /Image>> stream\n" + b"\xff\xd8\xff\xe0" + b"\0" * 90,
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"BM" + b"\0" * 80,
        b"\0" * 500,
        b"\xff" * 500,
    ],
    ids=["text", "gif", "gif_script", "pdf", "svg", "html", "bmp", "zeros", "ones"],
)
def test_what_is_no_photograph_is_refused(content: bytes) -> None:
    assert refused(content) == "unknown_format"


def test_an_animated_gif_is_refused() -> None:
    assert (
        refused(saved(picture(), "GIF", save_all=True, append_images=[Pillow.new("RGB", (120, 80))]))
        == "unknown_format"
    )


def test_an_archive_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.jpg", saved(picture(), "JPEG"))
    assert refused(buffer.getvalue()) == "unknown_format"


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_nothing_but_pixels_comes_through(kind: str) -> None:
    buffer = io.BytesIO()
    buffer.write(saved(picture(), kind))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("payload.html", "<script>alert('payload')</script>")
    content = buffer.getvalue()
    assert zipfile.is_zipfile(io.BytesIO(content))
    kept = images.encode(images.load(content))
    assert not zipfile.is_zipfile(io.BytesIO(kept))
    assert b"payload" not in kept
    assert images.load(kept).shape == (80, 120, 3)


def test_an_empty_file_is_refused() -> None:
    assert refused(b"") == "empty"


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "CMYK"])
def test_every_kind_of_colour_becomes_bgr(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    loaded = images.load(saved(picture(mode=mode), kind))
    assert loaded.shape == (80, 120, 3)
    assert loaded.flags["C_CONTIGUOUS"]


def test_sixteen_bits_of_gray_are_scaled() -> None:
    gray = np.full((80, 120), 32896, dtype=np.uint16)
    loaded = images.load(saved(Pillow.fromarray(gray), "PNG"))
    assert np.unique(loaded).tolist() == [128]


def test_what_is_transparent_becomes_white() -> None:
    loaded = images.load(saved(Pillow.new("RGBA", (80, 80), (0, 0, 0, 0)), "PNG"))
    assert np.unique(loaded).tolist() == [255]


def test_a_file_is_read_only_as_far_as_a_picture_may_go(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(picture(), "JPEG"))
    assert images.load_file(path).shape == (80, 120, 3)
    with path.open("ab") as file:
        file.truncate(images.MAX_BYTES + 50)
    with pytest.raises(images.UnreadableImageError) as caught:
        images.load_file(path)
    assert caught.value.code == "too_large"
    with pytest.raises(FileNotFoundError):
        images.load_file(tmp_path / "none.jpg")
    with pytest.raises(IsADirectoryError):
        images.load_file(tmp_path)


def test_flipped_bytes_never_cause_another_error() -> None:
    rng = np.random.default_rng(3)
    for kind in ("JPEG", "PNG", "WEBP", "HEIF", "MPO"):
        whole = np.frombuffer(saved(picture(), kind), dtype=np.uint8)
        for _ in range(15):
            broken = whole.copy()
            broken[rng.integers(0, len(broken), 8)] = rng.integers(0, 256, 8)
            try:
                found = images.load(broken.tobytes()).shape[2]
            except images.UnreadableImageError as error:
                found = error.code
            assert found in (3, "broken", "unknown_format", "too_large", "too_tiny", "animated")
