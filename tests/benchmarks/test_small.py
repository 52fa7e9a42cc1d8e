"""The measurements at tiny size: that they count right, and that each runs on the real path."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.settings import settings
from knowledge.abstention import DENSE_FEATURES, Coefficient, Features, Model
from knowledge.search.fusion import DEFAULT_WEIGHTS, Weights
from knowledge.search.passages import Passage
from tests.benchmarks import bench_search, evaluate, evaluate_abstention, evaluate_answers, members, report, store
from tests.benchmarks.evaluate_abstention import Measured, fit_by_law, shares, without
from tests.benchmarks.evaluate_answers import same_stretch, trimmed
from tests.benchmarks.evaluate_peers import most_overlapped, plain_bm25
from tests.benchmarks.evaluate_retrieval import GRID, out_of_fold
from tests.benchmarks.fit_abstention import Row, confidence, fitted_model, importance
from tests.benchmarks.forms import strip_accents, typed
from tests.benchmarks.report import Figure, renew, save, spread


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever data folder a measurement uses, the tests after it find theirs."""
    before = settings().data_dir
    yield
    store.leave()
    monkeypatch.undo()
    store.use(before)


def test_a_question_in_its_four_forms() -> None:
    question = "Đảng viên đóng phí bao nhiêu ạ?"
    assert typed(unicodedata.normalize("NFD", question), "NFC") == question
    assert typed(question, "NFD") == unicodedata.normalize("NFD", question)
    assert typed(question, "stripped") == "Dang vien dong phi bao nhieu a?"
    half = typed(question, "half").split()
    kept = [word == full for word, full in zip(half, question.split(), strict=True)]
    assert half == typed(question, "half").split()
    assert all(word in (full, strip_accents(full)) for word, full in zip(half, question.split(), strict=True))
    assert (any(kept), all(kept)) == (True, False)


def test_weights_come_from_the_other_laws_only() -> None:
    other = next(weights for weights in GRID if weights != DEFAULT_WEIGHTS)

    def ranks(default: int | None, changed: int | None) -> dict[Weights, int | None]:
        return {weights: changed if weights == other else default for weights in GRID}

    # The changed weights help law a alone, and harm b: a must not profit from its own questions.
    by_form = {"NFC": [ranks(2, 1), ranks(1, 4), ranks(1, None)]}
    figures, chosen = out_of_fold(["a", "b", "b"], by_form)
    assert chosen == {"a": list(DEFAULT_WEIGHTS), "b": list(other)}
    assert figures["NFC"] == {"hit@1": 0.0, "hit@5": 0.6667, "hit@10": 0.6667, "mrr@10": 0.25}


def test_a_chunk_stands_for_the_article_that_it_overlaps_most() -> None:
    places = [(7, 0, 100), (8, 100, 300)]
    assert [most_overlapped(*stretch, places) for stretch in ((0, 50), (90, 150), (60, 120), (400, 500))] == [
        7,
        8,
        7,
        -1,
    ]


def test_plain_bm25_needs_the_accents() -> None:
    found = [Passage(1, 10, 1, "Điều 1", "hội phí hằng tháng"), Passage(2, 20, 1, "Điều 2", "trụ sở của hội đặt ở đây")]
    search = plain_bm25(found)
    assert (search("Trụ sở"), search("tru so"), search("của hội")[0]) == ([20], [], 20)


def test_the_same_sentence_with_and_without_its_label() -> None:
    text = "a) Có đèn chiếu sáng và chuông báo; \nb) Có còi."
    assert text[slice(*trimmed(text, 0, 37))] == "Có đèn chiếu sáng và chuông báo;"
    assert same_stretch(text, (0, 37), (3, 35))
    assert not same_stretch(text, (0, 37), (37, 47))
    assert not same_stretch(text, (3, 12), (3, 35))


def test_a_law_is_left_out_by_its_title() -> None:
    def passage(number: int, heading: str) -> Passage:
        return Passage(number, number, number, heading, "…")

    first, second = passage(1, "Luật Thủ đô. Điều 1. Tên"), passage(2, "Luật Thủ đô mới. Điều 1. Tên")
    assert without([first, second], "luật thủ đô") == [second]


def _measured(kind: Any, law: str, dense_top: float) -> Measured:
    values = tuple(dense_top if name == "dense_top" else 0.5 for name in DENSE_FEATURES)
    return Measured(kind, law, "NFC", values)


def test_shares_of_answered_questions() -> None:
    weights = {name: Coefficient(100.0 if name == "dense_top" else 0.0, 1.0) for name in DENSE_FEATURES}
    model = Model(bias=-85.0, coefficients=weights, threshold=0.5)
    measured = [_measured("in", "a", 0.9), _measured("in", "b", 0.8), _measured("far report", "", 0.7)]
    nothing_found = Measured("in", "a", "NFC", None)
    rates = shares([*measured, nothing_found], lambda _: model)
    assert rates == {"in NFC": 33.33, "far report NFC": 0.0}


def test_a_law_is_judged_by_a_model_that_never_saw_it() -> None:
    seen = [_measured("in", "a", 0.90 + n / 1000) for n in range(20)] + [_measured("out", "a", 0.80) for _ in range(20)]
    # Law b says the contrary: fitted without it, the model of b still goes by a.
    strange = [_measured("in", "b", 0.80) for _ in range(20)] + [_measured("out", "b", 0.95) for _ in range(20)]
    model_of = fit_by_law(seen + strange)
    assert shares(strange, model_of) == {"in NFC": 0.0, "out NFC": 100.0}


def _row(kind: str, dense_top: float, *, collection: str = "laws", form: str = "NFC") -> Row:
    found = Features({name: dense_top if name == "dense_top" else 0.5 for name in DENSE_FEATURES}, dense=True)
    return Row(collection, kind, "a", form, f"{kind} {dense_top}", found, None)


def test_shipped_numbers_let_through_what_they_promise() -> None:
    inside = [_row("in", 0.80 + n / 1000) for n in range(100)]
    outside = [_row("out", 0.70 + n / 1000) for n in range(100)]
    never_fitted_to = [_row("+far", 0.99)]
    model = fitted_model(inside + outside + never_fitted_to, dense=True)
    assert model == fitted_model(inside + outside, dense=True)
    answered = [confidence(row, model, dense=True) >= model.threshold for row in inside + outside]
    assert (sum(answered[:100]), sum(answered[100:])) == (96, 0)


def test_groups_count_as_they_should_whatever_their_size() -> None:
    rows = [_row("in", 0.9)] * 3 + [_row("out", 0.8)] * 2 + [_row("out", 0.8, form="stripped")] * 2
    labels = np.array([row.kind == "in" for row in rows])
    weights = importance(rows, labels)
    assert weights[labels].sum() == pytest.approx(weights[~labels].sum()) == pytest.approx(len(rows) / 2)
    assert weights[5] / weights[3] == pytest.approx(0.6)


def test_a_figure_knows_whether_its_target_is_met() -> None:
    assert Figure("a", 25.0, "ms", 25).met is True
    assert Figure("a", 12.0, "/s", 12.5, "least").met is False
    assert (Figure("a", 1.0).met, Figure("a", None, "", 1).met) == (None, None)
    assert spread([0.001, 0.003]) == {"n": 2, "p50": 2.0, "p95": 2.9, "max": 3.0}


def test_the_document_gets_the_newest_tables_between_its_markers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = tmp_path / "measurements.md"
    document.write_text(f"# Title\n\n{report.BEGIN}\nold\n{report.END}\n\nkept\n", encoding="utf-8")
    save("turns", [Figure("p95", 290.0, "ms", 300), Figure("theirs", 0.5, peer=True)], {}, tmp_path, ["A note."])
    renew(tmp_path, document)
    lines = document.read_text(encoding="utf-8").splitlines()
    assert "| p95 | ≤ 300 ms | 290 ms | yes |" in lines
    assert "| peer: theirs |  | 0.500 |  |" in lines
    assert (lines[0], lines[-1], "- A note." in lines, "old" in lines) == ("# Title", "kept", True, False)
    assert "### turns" in capsys.readouterr().out
    with pytest.raises(ValueError, match="markers"):
        renew(tmp_path, tmp_path / "turns.json")


class _Answering:
    """A member whose third message is lost and whose first is answered twice."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = {"first": 2, "second": 1}

    async def __aenter__(self) -> _Answering:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""

    async def ask(self, text: str) -> float:
        self.asked.append(text)
        await asyncio.sleep(0)
        if len(self.asked) == 3:
            raise TimeoutError
        return 0.25


def test_turns_lost_and_answered_twice_are_counted() -> None:
    everybody: list[_Answering] = []

    def make() -> _Answering:
        everybody.append(_Answering())
        return everybody[-1]

    outcome = members.run(make, ["x", "y", "z"], members=2, turns=3, limit=60)
    assert (outcome.times, outcome.lost, outcome.twice) == ([0.25] * 4, 2, 2)
    assert [member.asked for member in everybody] == [["x", "y", "z"], ["y", "z", "x"]]


def test_search_is_measured_on_a_real_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: None, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SOTAY_MATERIAL", raising=False)
    monkeypatch.setattr(bench_search, "CLAUSES", 300)
    monkeypatch.setattr(bench_search, "QUESTIONS", 3)
    bench_search.search(tmp_path / "out", tmp_path / "cache", tmp_path)
    found = json.loads((tmp_path / "out" / "search.json").read_text(encoding="utf-8"))
    assert found["details"]["clauses"] >= 300
    assert 0 < found["details"]["in_force_today"] <= found["details"]["clauses"]
    assert {name: found["details"][name]["n"] for name in ("search today", "answer earlier")} == {
        "search today": 3,
        "answer earlier": 3,
    }


def test_without_material_only_the_demo_is_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: None, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SOTAY_MATERIAL", raising=False)
    # The first questions only.
    lines = evaluate_answers._lines
    monkeypatch.setattr(evaluate_answers, "_lines", lambda name: lines(name)[:4])
    assert evaluate.main(["retrieval", "demo", "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["demo.json"]
    figures = json.loads((tmp_path / "out" / "demo.json").read_text(encoding="utf-8"))["figures"]
    assert [figure["name"] for figure in figures][:3] == [
        "answered",
        "right article cited first",
        "right clause cited first",
    ]
    assert "SOTAY_MATERIAL" in capsys.readouterr().err


def test_far_off_questions_are_two_halves_of_at_least_200() -> None:
    fit, told = evaluate_abstention.far_off("fit"), evaluate_abstention.far_off("report")
    assert min(len(fit), len(told)) >= 200
    assert not set(fit) & set(told)
