"""``sotay ekyc``: reading member cards and comparing faces from the command line, without register or database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sotay.terminal import Json, bad_settings, counting, emit, fail, say

if TYPE_CHECKING:
    from ekyc.calibration import Calibration, Rate
    from ekyc.drawing import Member
    from ekyc.evaluation import CardFigures
    from ekyc.results import CardReading, Image

app = typer.Typer(
    no_args_is_help=True, help="Đọc ảnh thẻ, so khuôn mặt, vẽ thẻ mẫu; không lưu gì, không cần cơ sở dữ liệu."
)

LABELS = {
    "card_number": "Số thẻ",
    "full_name": "Họ và tên",
    "date_of_birth": "Ngày sinh",
    "home_town": "Quê quán",
    "joined_on": "Ngày vào",
    "official_on": "Ngày chính thức",
    "issuer": "Nơi cấp thẻ",
    "issued_on": "Ngày cấp thẻ",
}
REASONS = {
    "no_card": "không thấy thẻ",
    "no_face": "không thấy khuôn mặt",
    "several_faces": "có nhiều khuôn mặt",
    "blurred": "ảnh mờ",
    "glare": "ảnh lóa",
    "dark": "ảnh tối",
    "bright": "ảnh quá sáng",
    "too_small": "chữ hoặc khuôn mặt quá nhỏ",
    "field_doubtful": "có mục chưa đọc chắc chắn",
    "not_upright": "thẻ không nằm thẳng",
}
MATCHES = {"same": "cùng một người", "review": "cần người xem", "different": "hai người khác nhau"}

# Each command imports what it needs when it runs: the models take seconds to load, `--help` should not.


@contextmanager
def _room() -> Iterator[None]:
    """Say plainly what the installation lacks; progress and warnings of libraries stay out of the way."""
    import logging

    from pydantic import ValidationError

    try:
        from ekyc.faces import FaceModelError
        from ekyc.ocr import OcrUnavailableError
        from ekyc.templates import TemplateError
        from sotay.logs import configure_logging

        configure_logging()
        logging.getLogger().setLevel(logging.WARNING)
        yield
    except ValidationError as error:
        fail(bad_settings(error))
    except (FaceModelError, OcrUnavailableError, TemplateError) as error:
        fail(str(error))


def _load(path: Path) -> Image | None:
    """The picture, or None after saying why not."""
    from ekyc.images import UnreadableImageError, load_file

    try:
        return load_file(path)
    except IsADirectoryError:
        say(f"{path}: đây là thư mục, không phải ảnh (is a directory).")
    except FileNotFoundError:
        say(f"{path}: không có tệp này (no such file).")
    except OSError as error:
        say(f"{path}: không mở được (cannot open): {error.strerror}")
    except UnreadableImageError as error:
        say(f"{path}: {error} ({error.code})")
    return None


@app.command("read-card")
def read_card(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE…", help="Ảnh chụp thẻ (JPEG, PNG, WebP, HEIC).")],
    as_json: Json = False,
) -> None:
    """Đọc ảnh thẻ: các mục, độ tin cậy, chất lượng ảnh, đọc được hay cần chụp lại."""
    unreadable = False
    with _room():
        from ekyc.reading import read_card as read

        for path in images:
            picture = _load(path)
            if picture is None:
                unreadable = True
                continue
            reading = read(picture)
            if as_json:
                emit(({"image": str(path)} if len(images) > 1 else {}) | reading_json(reading))
            else:
                _print_reading(path, reading)
    if unreadable:
        raise typer.Exit(1)


def reading_json(reading: CardReading) -> dict[str, Any]:
    """What ``read-card --json`` prints for one card: every key always there."""
    from ekyc.results import FIELDS

    quality = reading.quality
    return {
        "fields": {name: reading.fields[name] for name in FIELDS},
        "confidence": {name: _rounded(reading.confidence[name], 3) for name in FIELDS},
        "quality": {
            "corners": quality.corners,
            "text_height_px": _rounded(quality.text_height_px, 1),
            "blur": _rounded(quality.blur, 3),
            "exposure": _rounded(quality.exposure, 3),
            "glare": _rounded(quality.glare, 4),
            "faces": quality.faces,
        },
        "decision": reading.decision,
        "reasons": [str(reason) for reason in reading.reasons],
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(float(value), digits)


def _print_reading(path: Path, reading: CardReading) -> None:
    if reading.decision == "ok":
        print(f"{path}: đọc được")
    else:
        print(f"{path}: cần chụp lại ({', '.join(REASONS[reason] for reason in reading.reasons)})")
    for name, label in LABELS.items():
        value, confidence = reading.fields[name], reading.confidence[name]
        certain = "" if confidence is None else f"  ({confidence:.0%})"
        print(f"  {label:16} {value or '(không đọc được)'}{certain}")
    print(flush=True)


@app.command("match")
def match(
    first: Annotated[Path, typer.Argument(metavar="IMAGE", help="Ảnh có đúng một khuôn mặt.")],
    second: Annotated[Path, typer.Argument(metavar="IMAGE", help="Ảnh thứ hai.")],
    as_json: Json = False,
) -> None:
    """So khuôn mặt trên hai ảnh: cùng một người, cần người xem, hay khác nhau."""
    with _room():
        from ekyc import faces

        pictures = [_load(path) for path in (first, second)]
        if pictures[0] is None or pictures[1] is None:
            raise typer.Exit(1)
        result = faces.match(pictures[0], pictures[1])
    if as_json:
        reasons = [str(reason) for reason in result.reasons]
        emit({"score": _rounded(result.score, 4), "decision": result.decision, "reasons": reasons})
        return
    score = "không so được" if result.score is None else f"{result.score:.3f}"
    why = f" ({', '.join(REASONS[reason] for reason in result.reasons)})" if result.reasons else ""
    print(f"{MATCHES[result.decision]}{why}; độ giống: {score}")


@app.command("calibrate")
def calibrate(
    file: Annotated[Path, typer.Argument(metavar="PAIRS.csv", help="Cột image_a,image_b,same (1 hoặc 0).")],
    as_json: Json = False,
) -> None:
    """Đo trên các cặp ảnh có nhãn và đề xuất ngưỡng EKYC_SAME_FROM, EKYC_REVIEW_FROM."""
    with _room():
        from ekyc import calibration

        try:
            result = calibration.calibrate(calibration.read_pairs(file))
        except (OSError, calibration.PairsError) as error:
            fail(f"Không chỉnh được ngưỡng (cannot calibrate): {error}")
    if as_json:
        emit(result.to_dict())
    else:
        _print_faces(result)


@app.command("evaluate")
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Thư mục có truth.jsonl và ảnh; pairs.csv nếu có.")],
    as_json: Json = False,
) -> None:
    """Đo việc đọc thẻ (truth.jsonl) và so khuôn mặt (pairs.csv) trên ảnh có đáp án."""
    with _room():
        from ekyc import calibration, evaluation
        from ekyc.reading import read_card as read

        try:
            result = evaluation.evaluate(folder, read, progress=counting("Đã đọc", "thẻ"))
        except (OSError, evaluation.TruthError, calibration.PairsError) as error:
            fail(f"Không đo được (cannot evaluate): {error}")
    if as_json:
        emit(result.to_dict())
        return
    if result.cards:
        _print_cards(result.cards)
    if result.faces:
        _print_faces(result.faces)


def _print_cards(figures: CardFigures) -> None:
    _table(
        [
            ("Số thẻ đã đọc", f"{figures.cards}"),
            ("Mục đúng hoàn toàn", f"{figures.fields_exact:.2%} của {figures.fields}"),
            *((f"  {LABELS[name]}", f"{share:.2%}") for name, share in figures.by_field.items()),
            ("Lỗi ký tự (CER)", f"{figures.cer:.2%}"),
            ("Thẻ đúng mọi mục", f"{figures.cards_exact}"),
            ("Đọc được ngay", _rate(figures.ok_rate)),
            ("Cần chụp lại", f"{figures.retake}"),
            *((f"  {REASONS[name]}", f"{count}") for name, count in figures.reasons.items()),
            ("Tệp không phải ảnh", f"{figures.unreadable}"),
            ("Đọc được nhưng có mục sai", _rate(figures.ok_wrong)),
            ("Giây mỗi thẻ (trung vị; 95 %)", f"{figures.seconds_median:.2f}; {figures.seconds_p95:.2f}"),
        ]
    )


def _print_faces(result: Calibration) -> None:
    target = result.at_target
    _table(
        [
            ("Cặp ảnh dùng được", f"{result.genuine} cùng người, {result.impostor} khác người"),
            ("Tỷ lệ lỗi cân bằng (EER)", f"{result.eer:.2%} (ngưỡng {result.eer_threshold:.3f})"),
            (f"FRR khi FAR ≤ {result.target_far:g}", f"{_rate(target.frr)} (ngưỡng {target.threshold:.3f})"),
            ("FAR đo được ở ngưỡng đó", _rate(target.far)),
            ("FRR ở ngưỡng đang dùng", _rate(result.at_same_from.frr)),
            ("FAR ở ngưỡng đang dùng", _rate(result.at_same_from.far)),
            ("Đề xuất EKYC_SAME_FROM", f"{result.same_from:.4f}"),
            ("Đề xuất EKYC_REVIEW_FROM", f"{result.review_from:.4f}"),
        ]
    )
    for note in result.notes:
        print(f"  {note}")


def _rate(rate: Rate) -> str:
    if rate.value is None or rate.low is None or rate.high is None:
        return "không có cặp nào"
    return f"{rate.errors} của {rate.trials} = {rate.value:.2%} (95 %: {rate.low:.2%} đến {rate.high:.2%})"


def _table(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:{width}}  {value}")


@app.command("draw-cards")
def draw_cards(
    count: Annotated[int, typer.Argument(metavar="N", min=1, max=9999, help="Số thẻ.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Thư mục nhận ảnh và truth.jsonl.")],
    severity: Annotated[
        str, typer.Option("--severity", help="Độ khó của ảnh chụp: easy, medium hoặc hard.")
    ] = "medium",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Cùng số thì cùng thẻ.")] = 0,
    flat: Annotated[
        bool,
        typer.Option("--print", help="Thẻ phẳng để in (PNG và specimen.pdf khổ A4, 85,6 × 54 mm) thay cho ảnh chụp."),
    ] = False,
    demo: Annotated[
        bool, typer.Option("--demo", help="Thẻ của hội viên chưa đăng ký trong tổ chức mẫu, để đăng ký thử.")
    ] = False,
    portrait: Annotated[
        Path | None,
        typer.Option("--portrait", metavar="IMAGE", help="Ảnh chân dung của chính mình thay cho chân dung vẽ."),
    ] = None,
) -> None:
    """Vẽ ảnh chụp thẻ mẫu của một tổ chức hư cấu, kèm đáp án, để thử và đo."""
    from ekyc import drawing

    if severity not in drawing.SEVERITIES:
        fail(f"Không có mức {severity}; chọn: {', '.join(drawing.SEVERITIES)}.", code=2)
    chosen, shown = drawing.SEVERITIES[severity], counting("Đã vẽ", "thẻ")
    members = _demo_members() if demo else []
    if demo and count > len(members):
        fail(f"Tổ chức mẫu có {len(members)} hội viên chưa đăng ký.", code=2)
    try:
        drawing.write(
            out,
            count,
            severity=chosen,
            seed=seed,
            flat=flat,
            members=members,
            portrait=_portrait(portrait),
            progress=shown,
        )
    except drawing.FontMissingError as error:
        fail(f"Thiếu phông chữ (font missing): {error}")
    except OSError as error:
        fail(f"Không ghi được vào {out} (cannot write): {error.strerror}")
    say(f"Đã vẽ {count} thẻ mẫu vào {out}.")
    if flat:
        say(f"In {out / drawing.SHEET} ở đúng cỡ 100 %, không chọn “vừa trang giấy”.")


def _demo_members() -> list[Member]:
    """Those of the demo's register who have no account, as their cards say."""
    from ekyc.drawing import Member
    from sotay.demo_organisation import not_signed_up

    members = []
    for district, person in not_signed_up():
        if person.official is not None:
            dates = {"date_of_birth": person.born, "joined_on": person.joined, "official_on": person.official}
            dates["issued_on"] = person.official + timedelta(days=30)
            members.append(
                Member(person.name, person.card_number, person.home_town, district, dates, woman=person.woman)
            )
    return members


def _portrait(path: Path | None) -> Image | None:
    """The face of the file at *path* as it stands on a card."""
    if path is None:
        return None
    with _room():
        from ekyc import drawing

        picture = _load(path)
        if picture is None:
            raise typer.Exit(1)
        try:
            return drawing.cut_portrait(picture)
        except drawing.PortraitError as error:
            fail(f"{path}: {error}.")
