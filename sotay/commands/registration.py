"""``sotay registration …``: figures of registration that another system reported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sotay.terminal import Json, emit, fail, installation, say

if TYPE_CHECKING:
    from members.registration_report import Problem, Report

app = typer.Typer(no_args_is_help=True, help="Số liệu đăng ký sử dụng, theo đơn vị.")


@app.callback()
def _group() -> None:
    """Keep ``import`` a subcommand although it is the only one."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Bảng số liệu (.csv, .xlsx).")],
    as_json: Json = False,
) -> None:
    """Nhập một báo cáo số liệu đăng ký và nêu các chỗ mâu thuẫn. Dòng không đọc được: không nhập gì, mã thoát 1."""
    from core.database import unit_of_work
    from members import registration_report
    from members.access import SYSTEM

    try:
        if file.stat().st_size > registration_report.LARGEST_FILE:
            fail("Tệp lớn hơn 5 MB (the file is too large).")
        content = file.read_bytes()
    except OSError as error:
        fail(f"Không đọc được tệp (cannot read the file): {error.strerror}", code=2)
    with installation():
        try:
            with unit_of_work() as session:
                report = registration_report.import_report(session, SYSTEM, file_name=file.name, content=content)
        except registration_report.ImportFileError as error:
            if as_json:
                emit(_NOTHING | {"problems": [{"row": 1, "code": error.code, "message": str(error)}]})
            fail(str(error))
        except registration_report.UnreadableReportError as error:
            if as_json:
                emit(_NOTHING | {"problems": _problems(error.problems)})
            else:
                _say_problems(error.problems)
            fail(str(error))
    if as_json:
        emit(as_dict(report))
        return
    for line in report.lines:
        print(f"{line.rank or '—':>4}  {_rate(line.rate):>9}  {line.registered:>7}/{line.total:<7}  {line.name}")
    of_all, of_official = _rate(report.sum.rate), _rate(report.sum.rate_of_official)
    print(f"Đã đăng ký {report.sum.registered}/{report.sum.total}: {of_all}; so với chính thức {of_official}.")
    _say_problems(report.problems)
    if report.known:
        say("Tệp này đã được nhập trước đây; không lưu thêm bản nào.")


_FIGURES = ("total", "newly_admitted", "official", "registered", "not_registered", "rate", "rate_of_official")
_NOTHING: dict[str, Any] = {**dict.fromkeys(_FIGURES), "units": []}


def as_dict(report: Report) -> dict[str, Any]:
    """The report as the command prints it: rates in per cent with two decimals."""
    return {
        **{name: getattr(report.sum, name) for name in _FIGURES},
        "units": [
            {
                "number": line.number,
                "name": line.name,
                "total": line.total,
                "registered": line.registered,
                "rate": line.rate,
                "rank": line.rank,
            }
            for line in report.lines
        ],
        "problems": _problems(report.problems),
    }


def _rate(rate: float | None) -> str:
    return "—" if rate is None else f"{rate:.2f} %".replace(".", ",")


def _problems(problems: tuple[Problem, ...]) -> list[dict[str, Any]]:
    return [{"row": problem.row, "code": problem.code, "message": problem.message} for problem in problems]


def _say_problems(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        say(f"Dòng {problem.row} [{problem.code}]: {problem.message}")
