"""The command line: ``sotay …``. Results on standard output, progress and errors on standard error."""

from __future__ import annotations

import logging
import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from sotay.commands import admin, audit, backup, ekyc, keys, members, registration, units
from sotay.terminal import Json, bad_settings, emit, fail, installation, progress, say

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Sổ tay: hỏi đáp về điều lệ, quy định; trả lời bằng nguyên văn điều khoản đang có hiệu lực.",
)
demo_app = typer.Typer(no_args_is_help=True, help="Văn bản mẫu (hư cấu).")
questions_app = typer.Typer(no_args_is_help=True, help="Câu hỏi thành viên gửi cho người phụ trách, không kèm tên.")
index_app = typer.Typer(no_args_is_help=True, help="Chỉ mục tìm kiếm.")
app.add_typer(demo_app, name="demo")
app.add_typer(questions_app, name="questions")
app.add_typer(index_app, name="index")
app.add_typer(admin.app, name="admin")
app.add_typer(members.app, name="members")
app.add_typer(units.app, name="units")
app.add_typer(registration.app, name="registration")
app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="keys")
app.add_typer(backup.app)
app.add_typer(ekyc.app, name="ekyc")

AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="DATE", help="Ngày cần hỏi, YYYY-MM-DD (mặc định: hôm nay).")
]

NOTHING_PUBLISHED = "Chưa có văn bản nào được công bố. Hãy nạp văn bản: sotay ingest TỆP… --publish (hoặc văn bản mẫu: sotay demo load)."

# Each command imports what it needs when it runs: the search side takes seconds to load, `--help` should not.


def main() -> None:
    """Entry point of the ``sotay`` command."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    app()


def _day(value: str | None) -> date | None:
    if value is None:
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        fail(f"Ngày không hợp lệ: {value} (cần dạng YYYY-MM-DD).", code=2)


@app.command()
def up() -> None:
    """Khởi động toàn bộ hệ thống (như make run); Ctrl-C để dừng."""
    from pydantic import ValidationError

    from core.settings import settings
    from sotay.up import up as start

    try:
        chosen = settings()
    except ValidationError as error:
        fail(bad_settings(error))
    raise typer.Exit(start(chosen, demo=chosen.demo))


@app.command(hidden=True)
def worker() -> None:
    """Chạy tiến trình xử lý tin nhắn và chỉ mục."""
    import asyncio

    from sotay.logs import configure_logging
    from sotay.worker import run

    configure_logging()
    try:
        asyncio.run(run())
    except Exception:  # by the log's rules, not by Python's own printing of values
        logging.getLogger("sotay.worker").critical("the worker has failed", exc_info=True)
        raise typer.Exit(1) from None


@demo_app.command("load")
def demo_load(
    first_start: Annotated[
        bool, typer.Option("--first-start", help="Chỉ nạp khi hệ thống chưa từng có văn bản nào.")
    ] = False,
) -> None:
    """Nạp bộ văn bản mẫu và, khi chưa có tổ chức nào, tổ chức mẫu (đều hư cấu)."""
    from sotay.demo_loader import load_demo, load_people

    with installation():
        people = load_people(only_first_start=first_start)
        count = load_demo(only_first_start=first_start, progress=progress)
    if people:
        say(f"Đã tạo tổ chức mẫu (hư cấu) với {people} hội viên.")
    say(f"Đã công bố {count} văn bản mẫu." if count else "Không nạp thêm văn bản mẫu nào.")


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="Tệp hoặc thư mục (đọc cả thư mục con).")],
    publish: Annotated[bool, typer.Option("--publish", help="Công bố; không có thì lưu bản nháp.")] = False,
    as_json: Json = False,
) -> None:
    """Nạp văn bản (.txt, .md, .docx). Xong việc khi đã tìm được; tệp hỏng không cản tệp tốt."""
    from sotay.ingestion import ingest_paths

    with installation():
        results = ingest_paths(paths, publish=publish, progress=progress, note=say)
    if as_json:
        emit(results)
    else:
        for result in results:
            title = result["document"]["title"] if result["document"] else ""
            detail = result["error"] or f"{title}: {result['articles']} điều, {result['clauses']} khoản"
            state = "đã công bố" if result["published"] else "chưa công bố"
            print(f"{result['path']}: {result['status']} ({state}) — {detail}")
    if any(result["status"] == "failed" for result in results):
        raise typer.Exit(1)


@app.command()
def search(
    question: Annotated[str, typer.Argument(help="Câu hỏi hoặc từ khóa.")],
    k: Annotated[int, typer.Option("--k", min=1, max=100, help="Số kết quả.")] = 10,
    as_of: AsOf = None,
    as_json: Json = False,
) -> None:
    """Tìm điều khoản, kết quả sát nhất đứng đầu."""
    from core.database import unit_of_work
    from knowledge import documents, finding

    day = _day(as_of)
    with installation(index=True), unit_of_work() as session:
        if not documents.any_published(session):
            fail(NOTHING_PUBLISHED, code=2)
        results = finding.find(session, question, k=k, as_of=day)
    if as_json:
        emit(results)
        return
    for place in results:
        where = " ".join(
            f"{word} {place[key]}"
            for word, key in (("điểm", "point"), ("khoản", "clause"), ("Điều", "article"))
            if place[key]
        )
        print(f"[{place['score']:.3f}] {where} — {place['document']['title']}\n{place['text']}\n{place['url']}\n")


@app.command()
def ask(
    question: Annotated[str | None, typer.Argument(help="Câu hỏi.")] = None,
    as_of: AsOf = None,
    batch: Annotated[
        Path | None, typer.Option("--batch", metavar="FILE.jsonl", help="Trả lời từng dòng của tệp.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Trả lời bằng nguyên văn điều khoản, kèm trích dẫn; không có thì nói rõ là không có."""
    from sotay import asking

    if (question is None) == (batch is None):
        fail('Cần một câu hỏi, hoặc --batch TỆP.jsonl. Ví dụ: sotay ask "Hội phí bao nhiêu?"', code=2)
    day = _day(as_of)
    with installation(index=True):
        try:
            if batch is not None:
                if not batch.is_file():
                    fail(f"Không có tệp {batch}.", code=2)
                for result in asking.answer_lines(batch, default_as_of=day):
                    emit(result) if as_json else print(result.get("answer") or result["error"], end="\n\n", flush=True)
                return
            assert question is not None
            result = asking.answer_one(question, as_of=day)
        except asking.NothingPublishedError:
            fail(NOTHING_PUBLISHED, code=2)
        except asking.BadQuestionError as error:
            fail(str(error), code=2)
    if as_json:
        emit(result)
        return
    print(result["answer"])
    for suggestion in result["suggestions"]:
        print(f"  - {suggestion['heading']}  {suggestion['url']}")


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl")],
    as_json: Json = False,
) -> None:
    """Đo chất lượng tìm kiếm trên các câu hỏi có đáp án."""
    from core.database import unit_of_work
    from knowledge import documents, evaluation, finding

    try:
        examples = evaluation.read_examples(file)
    except (OSError, UnicodeDecodeError, evaluation.EvaluationFileError) as error:
        fail(f"Không đọc được tệp đánh giá (cannot read the file): {error}")
    with installation(index=True), unit_of_work() as session:
        if not documents.any_published(session):
            fail(NOTHING_PUBLISHED, code=2)
        finding.find_articles(session, examples[0].question)  # loading is not part of the latency
        figures = evaluation.evaluate(
            examples,
            gold=evaluation.GoldArticles(session),
            search_articles=lambda question: finding.find_articles(session, question),
            warn=say,
        )
    if as_json:
        emit(figures)
        return
    for name, value in figures.items():
        print(f"{name:12} {value}")


@app.command()
def calibrate(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl")],
    as_json: Json = False,
) -> None:
    """Chỉnh ngưỡng từ chối trả lời theo các câu hỏi có và không có đáp án trong văn bản của mình."""
    from sotay.calibrating import CalibrationError, calibrate_file

    with installation(index=True):
        try:
            report = calibrate_file(file)
        except (OSError, UnicodeDecodeError, CalibrationError) as error:
            fail(f"Không chỉnh được (cannot calibrate): {error}")
    if as_json:
        emit(report)
        return
    for name, value in report.items():
        print(f"{name:28} {value}")


@questions_app.command("list")
def questions_list(as_json: Json = False) -> None:
    """Các câu hỏi đã gửi: nội dung và ngày, không bao giờ có người hỏi."""
    from core.database import unit_of_work
    from knowledge import questions

    with installation(), unit_of_work() as session:
        found = questions.list_questions(session)
    if as_json:
        emit(
            [
                {"id": q.id, "question": q.question, "asked_on": q.asked_on.isoformat(), "answered": q.answered}
                for q in found
            ]
        )
        return
    for question in found:
        mark = "đã trả lời" if question.answered else "chưa trả lời"
        print(f"{question.id:5}  {question.asked_on:%d/%m/%Y}  [{mark}]  {question.question}")
    if not found:
        say("Chưa có câu hỏi nào.")


@questions_app.command("answer")
def questions_answer(
    question_id: Annotated[int, typer.Argument(metavar="ID")],
    text: Annotated[str, typer.Argument(help="Câu trả lời; người hỏi nhận được trong cuộc trò chuyện của mình.")],
) -> None:
    """Trả lời một câu hỏi đã gửi."""
    from core.database import unit_of_work
    from knowledge import questions

    with installation():
        try:
            with unit_of_work() as session:
                questions.answer(session, question_id, text)
        except questions.QuestionError as error:
            fail(f"Không trả lời được (cannot answer): {error}")
    say("Đã gửi câu trả lời.")


@index_app.command("rebuild")
def index_rebuild() -> None:
    """Dựng lại toàn bộ chỉ mục từ cơ sở dữ liệu."""
    from knowledge import indexing

    with installation():
        indexing.refresh(fresh=True, progress=progress)


if __name__ == "__main__":
    main()
