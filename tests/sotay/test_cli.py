"""The command line's contract, in this process, on an empty database and its own vector store."""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from knowledge import indexing
from sotay.cli import app

OLD = """HỘI THỬ NGHIỆM
Số: 02/2021/QĐ-HTN

Hà Nội, ngày 10 tháng 5 năm 2021

QUY ĐỊNH
Về hội phí của Hội Thử nghiệm

Điều 1. Mức hội phí
1. Hội viên chính thức nộp hội phí 10.000 đồng một tháng.
2. Hội viên dự bị được miễn hội phí.

Điều 2. Thu nộp
Chi hội thu hội phí trước ngày 20 hằng tháng:
a) thu bằng tiền mặt tại buổi sinh hoạt;
b) thu bằng chuyển khoản vào tài khoản của Hội.

Điều 3. Hiệu lực
Quy định này có hiệu lực thi hành kể từ ngày 01 tháng 6 năm 2021./.
"""
NEW = """HỘI THỬ NGHIỆM
Số: 05/2025/QĐ-HTN

Hà Nội, ngày 20 tháng 6 năm 2025

QUY ĐỊNH
Về thu, nộp hội phí của Hội Thử nghiệm

Điều 1. Mức hội phí
1. Hội viên chính thức nộp hội phí 20.000 đồng một tháng.
2. Hội viên trên 70 tuổi được miễn hội phí.

Điều 2. Hiệu lực
Quy định này có hiệu lực thi hành kể từ ngày 01 tháng 7 năm 2025 và thay thế Quy định số 02/2021/QĐ-HTN ngày 10 tháng 5 năm 2021 về hội phí của Hội Thử nghiệm./.
"""
QUESTION = "Hội viên chính thức nộp hội phí bao nhiêu một tháng?"


class Cli:
    def __init__(self) -> None:
        self.runner = CliRunner()
        self.error = ""

    def run(self, *arguments: str | Path, expect: int = 0) -> str:
        result = self.runner.invoke(app, [str(argument) for argument in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.error = result.stderr
        assert result.exit_code == expect, result.stderr
        return result.stdout

    def json(self, *arguments: str | Path, expect: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", expect=expect))


@pytest.fixture
def cli(database: None) -> Iterator[Cli]:
    yield Cli()
    indexing.reset()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cũ.txt").write_text(OLD, encoding="utf-8")
    (tmp_path / "năm 2025").mkdir()
    (tmp_path / "năm 2025" / "mới.md").write_text(unicodedata.normalize("NFD", NEW), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("command", [("search", "hội phí"), ("ask", "Hội phí bao nhiêu?")])
def test_with_nothing_published_they_say_what_to_do(cli: Cli, command: tuple[str, str]) -> None:
    assert cli.run(*command, "--json", expect=2) == ""
    assert "sotay ingest" in cli.error


def test_drafts_are_published_by_taking_the_known_file_in_again(cli: Cli, folder: Path) -> None:
    [old, new] = cli.json("ingest", folder)
    assert [entry["path"] for entry in (old, new)] == [str(folder / "cũ.txt"), str(folder / "năm 2025" / "mới.md")]
    assert old == {
        "path": str(folder / "cũ.txt"),
        "status": "created",
        "published": False,
        "document": {
            "number": "02/2021/QĐ-HTN",
            "title": "Quy định về hội phí của Hội Thử nghiệm",
            "issued_on": "2021-05-10",
            "issuer": "Hội Thử nghiệm",
            "status": "in_force",
        },
        "articles": 3,
        "clauses": 2,
        "error": None,
    }
    cli.run("search", "hội phí", expect=2)
    again = cli.json("ingest", folder / "cũ.txt", "--publish")
    assert [(entry["status"], entry["published"]) for entry in again] == [("known", True)]
    assert [(entry["status"], entry["published"]) for entry in cli.json("ingest", folder)] == [
        ("known", True),
        ("known", False),
    ]
    [first, *_] = cli.json("search", QUESTION)
    assert (first["article"], first["clause"], first["point"]) == ("1", "1", None)
    assert first["text"] == "1. Hội viên chính thức nộp hội phí 10.000 đồng một tháng."
    assert first["url"] == "/documents/quy-dinh-02-2021-qd-htn#dieu-1-khoan-1"


def test_good_files_are_kept_when_others_fail(cli: Cli, folder: Path) -> None:
    (folder / "a trống.txt").write_bytes(b"")
    (folder / "b hỏng.docx").write_bytes(b"PK\x03\x04 khong phai docx")
    (folder / "c ảnh.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    results = cli.json("ingest", folder, folder / "không có.txt", "--publish", expect=1)
    assert [(Path(entry["path"]).name, entry["status"]) for entry in results] == [
        ("a trống.txt", "failed"),
        ("b hỏng.docx", "failed"),
        ("c ảnh.png", "failed"),
        ("cũ.txt", "created"),
        ("mới.md", "created"),
        ("không có.txt", "failed"),
    ]
    for entry in results:
        if entry["status"] == "failed":
            assert entry["error"]
            assert (entry["document"], entry["published"], entry["articles"]) == (None, False, 0)
    assert cli.json("search", QUESTION)[0]["document"]["number"] == "05/2025/QĐ-HTN"


@pytest.mark.parametrize(
    "words", [QUESTION, unicodedata.normalize("NFD", QUESTION), "hoi vien chinh thuc nop hoi phi bao nhieu"]
)
def test_answers_are_of_the_asked_day(cli: Cli, folder: Path, words: str) -> None:
    cli.run("ingest", folder, "--publish")
    today = cli.json("ask", words)
    [first, *_] = today["citations"]
    assert today["abstained"] is False
    assert first["document"]["number"] == "05/2025/QĐ-HTN"
    assert first["document"]["status"] == "in_force"
    assert unicodedata.normalize("NFC", first["quote"]) == "1. Hội viên chính thức nộp hội phí 20.000 đồng một tháng."
    assert first["quote"] in unicodedata.normalize("NFD", NEW), "the quotation is the source's own characters"
    assert first["quote"] in today["answer"]
    before = cli.json("ask", words, "--as-of", "2025-06-30")
    [first, *_] = before["citations"]
    assert (first["document"]["number"], first["document"]["status"]) == ("02/2021/QĐ-HTN", "replaced")
    assert "đã được thay thế bởi" in before["answer"]
    earlier = cli.json("ask", words, "--as-of", "2020-01-01")
    assert (earlier["abstained"], earlier["citations"]) == (True, [])
    assert set(today) == {"question", "answer", "abstained", "citations", "suggestions", "latency_ms"}


def test_references_go_straight_to_the_provision(cli: Cli, folder: Path) -> None:
    cli.run("ingest", folder, "--publish")
    answer = cli.json("ask", "khoan 2 dieu 1 quy dinh 05/2025/QĐ-HTN")
    assert [(c["article"], c["clause"]) for c in answer["citations"]] == [("1", "2")]
    named = cli.json("ask", "điểm b Điều 2 Quy định 02/2021/QĐ-HTN")
    assert [(c["article"], c["point"], c["document"]["status"]) for c in named["citations"]] == [("2", "b", "replaced")]
    assert named["citations"][0]["quote"] == "b) thu bằng chuyển khoản vào tài khoản của Hội."
    missing = cli.json("ask", "Điều 99 Quy định 05/2025/QĐ-HTN")
    assert (missing["abstained"], missing["citations"]) == (True, [])
    assert "Không có Điều 99" in missing["answer"]


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("Điều 1 Quy định số 05/2025/QĐ-HTN", ("1", None)),
        ("dieu 1 quy dinh ve thu nop hoi phi cua hoi thu nghiem noi gi", ("1", None)),
        ("Theo Điều 1 Quy định 05/2025/QĐ-HTN, hội viên trên 70 tuổi có phải nộp không?", ("1", "2")),
        ("Điều 1 cho người trên 70 tuổi được hưởng gì?", ("1", "2")),
    ],
)
def test_an_article_is_quoted_whole_unless_more_is_asked(
    cli: Cli, folder: Path, words: str, place: tuple[str, str | None]
) -> None:
    cli.run("ingest", folder, "--publish")
    [first, *_] = cli.json("ask", words)["citations"]
    assert (first["document"]["number"], first["article"], first["clause"]) == ("05/2025/QĐ-HTN", *place)


def test_a_named_document_is_answered_from_with_its_status(cli: Cli, folder: Path) -> None:
    cli.run("ingest", folder, "--publish")
    answer = cli.json("ask", "Theo Quy định số 02/2021/QĐ-HTN, hội viên dự bị có được miễn hội phí không?")
    [first, *_] = answer["citations"]
    assert (first["document"]["number"], first["article"], first["clause"]) == ("02/2021/QĐ-HTN", "1", "2")
    assert first["document"]["status"] == "replaced"


@pytest.mark.parametrize(
    ("words", "place"),
    [
        ("Mức hội phí thế nào?", ("1", None)),
        ("muc hoi phi", ("1", None)),
        ("Mức hội phí của hội viên chính thức là bao nhiêu?", ("1", "1")),
    ],
)
def test_a_question_for_a_heading_gets_the_whole_article(
    cli: Cli, folder: Path, words: str, place: tuple[str, str | None]
) -> None:
    cli.run("ingest", folder, "--publish")
    [first, *_] = cli.json("ask", words)["citations"]
    assert (first["article"], first["clause"]) == place


def test_a_document_named_by_its_title_is_answered_from_too(cli: Cli, folder: Path) -> None:
    cli.run("ingest", folder, "--publish")
    answer = cli.json("ask", "Quy định về hội phí của Hội Thử nghiệm nói hội viên dự bị có được miễn hội phí không?")
    [first, *_] = answer["citations"]
    assert (first["document"]["number"], first["document"]["status"]) == ("02/2021/QĐ-HTN", "replaced")


def test_what_nothing_answers_is_said_plainly(cli: Cli, folder: Path) -> None:
    cli.run("ingest", folder, "--publish")
    answer = cli.json("ask", "Trận bóng đá tối qua kết quả ra sao?")
    assert (answer["abstained"], answer["citations"]) == (True, [])
    assert answer["suggestions"]
    assert all(entry["url"].startswith("/documents/") for entry in answer["suggestions"])
    assert cli.json("questions", "list") == [], "the command never keeps a question"


def test_a_batch_answers_line_by_line(cli: Cli, folder: Path, tmp_path: Path) -> None:
    cli.run("ingest", folder, "--publish")
    batch = tmp_path / "câu hỏi.jsonl"
    lines = [
        json.dumps({"question": QUESTION}),
        "",
        "không phải JSON",
        json.dumps({"question": QUESTION, "as_of": "2022-01-01"}),
        json.dumps({"question": QUESTION, "as_of": "hôm qua"}),
        json.dumps({"hỏi": QUESTION}),
        json.dumps({"question": "   "}),
    ]
    batch.write_text("\n".join(lines), encoding="utf-8")
    results = [json.loads(line) for line in cli.run("ask", "--batch", batch, "--json").splitlines()]
    assert [sorted(result) == ["error"] for result in results] == [False, True, True, False, True, True, True]
    assert results[0]["citations"][0]["document"]["number"] == "05/2025/QĐ-HTN"
    assert results[3]["citations"][0]["document"]["number"] == "02/2021/QĐ-HTN"
    assert results[2]["error"].startswith("Dòng 3:")


def test_evaluation_ranks_articles_and_counts_missing_gold_as_a_miss(cli: Cli, folder: Path, tmp_path: Path) -> None:
    cli.run("ingest", folder, "--publish")
    questions = tmp_path / "gold.jsonl"
    gold = [
        {"question": QUESTION, "relevant": [{"document": "05/2025/qđ-htn", "article": "1"}]},
        {
            "question": QUESTION,
            "relevant": [{"document": "QUY ĐỊNH về thu nộp hội phí của Hội Thử Nghiệm", "article": "1"}],
        },
        {"question": QUESTION, "relevant": [{"document": "Luật không có", "article": "7"}]},
    ]
    questions.write_text("\n".join(map(json.dumps, gold)), encoding="utf-8")
    figures = cli.json("evaluate", questions)
    assert {key: figures[key] for key in ("n", "hit@1", "hit@5", "hit@10", "mrr@10", "ndcg@10")} == {
        "n": 3,
        "hit@1": 0.6667,
        "hit@5": 0.6667,
        "hit@10": 0.6667,
        "mrr@10": 0.6667,
        "ndcg@10": 0.6667,
    }
    assert set(figures["latency_ms"]) == {"p50", "p95"}
    assert "Luật không có" in cli.error


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask",),
        ("ask", "câu hỏi", "--as-of", "31/12/2025"),
        ("search", "hội phí", "--as-of", "2025-02-30"),
        ("ask", "--batch", "không-có.jsonl"),
        ("ingest",),
        ("nothing",),
    ],
)
def test_wrong_calls_are_told_and_end_with_an_error(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert cli.run(*arguments, expect=2) == ""
    assert cli.error


def test_calibration_fits_to_questions_and_is_put_to_use(cli: Cli, folder: Path, tmp_path: Path) -> None:
    cli.run("ingest", folder, "--publish")
    kinds = ("Hội viên", "Chi hội", "hoi vien", "Người trên 70 tuổi")
    asked = ("nộp hội phí", "thu hội phí", "được miễn hội phí", "đóng hội phí một tháng", "hiệu lực của quy định")
    far = ("bóng đá", "nấu phở", "thời tiết", "điện thoại", "du lịch Đà Lạt")
    lines = [{"question": f"{who} {what} thế nào?", "answerable": True} for who in kinds for what in asked]
    lines += [{"question": f"{what} {when} có gì hay?", "answerable": False} for what in far for when in "abcd"]
    questions = tmp_path / "câu hỏi.jsonl"
    questions.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    report = cli.json("calibrate", questions)
    assert (report["answerable"], report["unanswerable"]) == (20, 20)
    assert 0 <= report["cross_validated"]["unanswerable_answered"] <= 1
    assert indexing.parameters().dense.threshold == report["threshold"]
    assert cli.json("ask", "Hội viên nộp hội phí thế nào?")["abstained"] is False
    indexing.calibration_file().unlink()
    questions.write_text("\n".join(map(json.dumps, lines[:25])), encoding="utf-8")
    cli.run("calibrate", questions, expect=1)
    assert "at least 20" in cli.error
    assert not indexing.calibration_file().exists()


def test_an_unknown_question_cannot_be_answered(cli: Cli) -> None:
    cli.run("questions", "answer", "7", "xin chào", expect=1)
    assert "7" in cli.error


def test_the_index_is_rebuilt_from_the_database(cli: Cli, folder: Path) -> None:
    cli.run("ingest", folder, "--publish")
    before = cli.json("search", QUESTION)
    cli.run("index", "rebuild")
    indexing.reset()
    assert cli.json("search", QUESTION) == before


def test_a_lost_index_is_built_again_under_its_number(cli: Cli, folder: Path, data_dir: Path) -> None:
    cli.run("ingest", folder, "--publish")
    before = cli.json("search", QUESTION)
    versions = sorted(path.name for path in (data_dir / "index").iterdir())
    for name in versions:
        shutil.rmtree(data_dir / "index" / name)
    indexing.reset()
    assert cli.json("search", QUESTION) == before
    assert [path.name for path in (data_dir / "index").iterdir()] == versions[-1:]
