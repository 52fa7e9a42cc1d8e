"""How well faces are told apart on labelled pairs, and the thresholds that this supports."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.settings import settings
from ekyc import faces
from ekyc.images import UnreadableImageError, load
from ekyc.results import Reason

COLUMNS = ("image_a", "image_b", "same")
TARGET_FAR = 1e-3
TARGET_FRR = 0.01
"""Of the genuine pairs, at most this share is to be called different without a person looking."""
CONFIDENCE = 0.95
ENOUGH_FOR_TARGET = math.ceil(3 / TARGET_FAR)
"""Impostor pairs without one accepted that bound the FAR by the target, by the rule of three."""
ENOUGH_FOR_REVIEW = math.ceil(3 / TARGET_FRR)
"""Genuine pairs that can support a higher threshold of review, by the same rule."""
_NAMED = 20


class PairsError(ValueError):
    """Rows of PAIRS.csv that cannot be used. The message names each by its line, in Vietnamese.

    ``lines``: their numbers, 0 for what concerns the whole file.
    """

    def __init__(self, problems: Sequence[tuple[int, str]]) -> None:
        named = [f"Dòng {line}: {what}" if line else what for line, what in problems[:_NAMED]]
        if len(problems) > _NAMED:
            named.append(f"… và {len(problems) - _NAMED} dòng khác")
        super().__init__("\n".join(named))
        self.lines = tuple(line for line, _ in problems)


@dataclass(frozen=True)
class Pair:
    """Two pictures and whether they show the same person; ``line``: where it stands in the file."""

    image_a: Path
    image_b: Path
    same: bool
    line: int = 0


@dataclass(frozen=True)
class Rate:
    """``errors`` of ``trials``: ``value`` with its exact (Clopper–Pearson) two-sided 95 % bounds; None without trials.

    The bounds hold for independent trials only. Pairs that share a picture or a person are not.
    """

    errors: int
    trials: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Point:
    """What happens when every score from ``threshold`` counts as the same person."""

    threshold: float
    far: Rate
    frr: Rate


@dataclass(frozen=True)
class Calibration:
    """What the pairs say.

    ``pairs``, ``genuine``, ``impostor``: rows, those with a score. ``unusable``: rows without one, by reason. ``pictures``:
    distinct ones with one face. ``eer`` and the threshold there. ``at_target``: the lowest threshold whose FAR on these
    pairs is at most ``target_far``; ``target_supported``: whether there are impostor pairs enough to claim that FAR.
    ``at_same_from``, ``at_review_from``: the settings in force. ``same_from``, ``review_from``: proposed. ``notes``: what limits the
    figures, in Vietnamese.
    """

    pairs: int
    genuine: int
    impostor: int
    unusable: dict[str, int]
    pictures: int
    eer: float
    eer_threshold: float
    target_far: float
    target_supported: bool
    at_target: Point
    at_same_from: Point
    at_review_from: Point
    same_from: float
    review_from: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values for JSON."""
        return asdict(self) | {"notes": list(self.notes)}


def read_pairs(path: Path) -> list[Pair]:
    """The rows of *path*: CSV (UTF-8) with the columns ``image_a``, ``image_b`` and ``same`` (1 or 0), paths relative to it.

    Errors: OSError; PairsError, which names every bad row.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise PairsError([(1, "tệp không phải UTF-8. Xin lưu lại dưới dạng CSV UTF-8.")]) from error
    rows = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise PairsError([(1, f"thiếu cột {', '.join(missing)}.")])
    pairs: list[Pair] = []
    problems: list[tuple[int, str]] = []
    try:
        for row in rows:
            pair, what = _pair(row, path.parent, rows.line_num)
            if pair is None:
                problems.append((rows.line_num, what))
            else:
                pairs.append(pair)
    except csv.Error as error:
        problems.append((rows.line_num, f"không đọc được ({error})."))
    if problems:
        raise PairsError(problems)
    return pairs


def _pair(row: dict[str, Any], folder: Path, line: int) -> tuple[Pair | None, str]:
    first, second, same = ((row.get(name) or "").strip() for name in COLUMNS)
    if not first or not second:
        return None, "thiếu tên ảnh."
    if same not in ("0", "1"):
        return None, f"cột same phải là 1 hoặc 0, không phải “{same[:20]}”."
    absent = [name for name in (first, second) if not (folder / name).is_file()]
    if absent:
        return None, f"không có tệp {', '.join(absent)}."
    if (folder / first).samefile(folder / second):
        return None, "hai cột chỉ cùng một tệp."
    return Pair(folder / first, folder / second, same == "1", line), ""


def calibrate(pairs: Sequence[Pair]) -> Calibration:
    """Compare every pair as ``faces.match`` does and work out the figures. Vectors are gone when this returns.

    A picture is read once, whatever the number of its pairs. Errors: PairsError (unreadable pictures, no genuine or no
    impostor pair left); FaceModelError.
    """
    known: dict[Path, tuple[faces.Vector, ...] | Reason] = {}
    problems: list[tuple[int, str]] = []
    genuine: list[float] = []
    impostor: list[float] = []
    unusable: dict[str, int] = {}
    for pair in pairs:
        try:
            first, second = _seen(pair.image_a, known), _seen(pair.image_b, known)
        except (UnreadableImageError, OSError) as error:
            problems.append((pair.line, str(error)))
            continue
        reason = next((each for each in (first, second) if isinstance(each, Reason)), None)
        if reason is not None:
            unusable[str(reason)] = unusable.get(str(reason), 0) + 1
        elif not isinstance(first, Reason) and not isinstance(second, Reason):
            score, _ = faces.decide(*faces.compare(first, second))
            (genuine if pair.same else impostor).append(score)
    if not problems and not genuine:
        problems.append((0, "Không có cặp cùng một người (same = 1) nào dùng được."))
    if not problems and not impostor:
        problems.append((0, "Không có cặp hai người khác nhau (same = 0) nào dùng được."))
    if problems:
        raise PairsError(problems)
    pictures = sum(1 for each in known.values() if not isinstance(each, Reason))
    return evaluate(np.array(genuine), np.array(impostor), pictures=pictures, unusable=unusable)


def _seen(path: Path, known: dict[Path, tuple[faces.Vector, ...] | Reason]) -> tuple[faces.Vector, ...] | Reason:
    key = path.resolve()
    if key not in known:
        image = load(key.read_bytes())
        face, reasons = faces.best_face(image)
        known[key] = faces.vectors(image, face) if face is not None else reasons[0]
    return known[key]


def evaluate(
    genuine: NDArray[np.float64],
    impostor: NDArray[np.float64],
    *,
    pictures: int = 0,
    unusable: dict[str, int] | None = None,
) -> Calibration:
    """The figures of scores alone: of pairs of one person and of two persons, neither empty."""
    eer, eer_threshold = _equal_error(genuine, impostor)
    at_target = _point(_threshold_for(impostor, TARGET_FAR), genuine, impostor)
    supported = len(impostor) >= ENOUGH_FOR_TARGET
    now = settings()
    # With too few impostors a lower threshold than the one in force is not something the pairs can vouch for.
    same_from = at_target.threshold if supported else max(at_target.threshold, now.ekyc_same_from)
    kept = int(TARGET_FRR * len(genuine))
    review_from = min(same_from, math.floor(float(np.sort(genuine)[kept]) * 1e4) / 1e4)
    if len(genuine) < ENOUGH_FOR_REVIEW:  # nor a higher one, below which nobody is to be called somebody else unseen
        review_from = min(review_from, now.ekyc_review_from)
    return Calibration(
        pairs=len(genuine) + len(impostor) + sum((unusable or {}).values()),
        genuine=len(genuine),
        impostor=len(impostor),
        unusable=dict(unusable or {}),
        pictures=pictures,
        eer=eer,
        eer_threshold=eer_threshold,
        target_far=TARGET_FAR,
        target_supported=supported,
        at_target=at_target,
        at_same_from=_point(now.ekyc_same_from, genuine, impostor),
        at_review_from=_point(now.ekyc_review_from, genuine, impostor),
        same_from=same_from,
        review_from=review_from,
        notes=_notes(len(impostor), pictures, supported, unusable or {}),
    )


def _notes(impostor: int, pictures: int, supported: bool, unusable: dict[str, int]) -> tuple[str, ...]:
    notes = [f"Khoảng tin cậy 95 % chỉ đúng khi các cặp độc lập; ở đây các cặp dùng chung {pictures} ảnh."]
    if not supported:
        notes.append(
            f"Chỉ có {impostor} cặp khác người: chưa thể nói FAR {TARGET_FAR:g} (cần ít nhất {ENOUGH_FOR_TARGET} cặp). "
            "Ngưỡng đề xuất không thấp hơn ngưỡng đang dùng."
        )
    if unusable:
        notes.append(
            f"{sum(unusable.values())} cặp không so được (không có hoặc có nhiều khuôn mặt), không tính vào tỷ lệ."
        )
    return tuple(notes)


def _equal_error(genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> tuple[float, float]:
    """The rate where both errors are nearest to each other (their mean), and the threshold there."""
    thresholds = np.unique(np.concatenate([genuine, impostor, [impostor.max() + 1e-4]]))
    far = 1 - np.searchsorted(np.sort(impostor), thresholds, side="left") / len(impostor)
    frr = np.searchsorted(np.sort(genuine), thresholds, side="left") / len(genuine)
    best = int(np.argmin(np.abs(far - frr)))
    return float((far[best] + frr[best]) / 2), float(thresholds[best])


def _threshold_for(impostor: NDArray[np.float64], far: float) -> float:
    """The lowest threshold (four decimals) from which at most the share *far* of *impostor* lies."""
    allowed = int(far * len(impostor))
    refused = float(np.sort(impostor)[::-1][allowed])  # the highest score that must stay below
    steps = math.floor(refused * 1e4) + 1
    return (steps if steps / 1e4 > refused else steps + 1) / 1e4


def _point(threshold: float, genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> Point:
    return Point(
        threshold,
        far=rate(int((impostor >= threshold).sum()), len(impostor)),
        frr=rate(int((genuine < threshold).sum()), len(genuine)),
    )


def rate(errors: int, trials: int) -> Rate:
    """*errors* of *trials* with the bounds of Clopper and Pearson (1934).

    They are the shares at which so few errors, or so many, would come in one half of the remaining 5 % of cases only.
    """
    if trials == 0:
        return Rate(0, 0, None, None, None)
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if errors == 0 else _share_at(errors - 1, trials, 1 - tail)
    high = 1.0 if errors == trials else _share_at(errors, trials, tail)
    return Rate(errors, trials, errors / trials, low, high)


def _share_at(errors: int, trials: int, chance: float) -> float:
    """The share at which at most *errors* of *trials* come with the probability *chance*, by halving."""
    counts = np.arange(errors + 1)
    ways = np.array(
        [math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) for k in range(errors + 1)]
    )
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        logs = ways + counts * math.log(middle) + (trials - counts) * math.log1p(-middle)
        low, high = (middle, high) if float(np.exp(logs).sum()) > chance else (low, middle)
    return (low + high) / 2
