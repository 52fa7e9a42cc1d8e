"""Abstention: what is measured of a search, and the decision over it."""

from __future__ import annotations

import json
import math
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.abstention import (
    DENSE_FEATURES,
    LEXICAL_FEATURES,
    Coefficient,
    Decision,
    Features,
    Model,
    Parameters,
    ParametersError,
    confidence,
    decide,
    features,
    load_parameters,
    save_parameters,
)
from knowledge.question_words import content_mask, question_syllables
from knowledge.search.fusion import Hit, SearchResult, Signals
from knowledge.search.passages import Passage

NO_SIGNALS = dict.fromkeys(Signals.__dataclass_fields__, 0.0)


def signals(*, dense_top: float = 0.0, dense: bool = True) -> Signals:
    return replace(Signals(**NO_SIGNALS), dense_available=dense, dense_top=dense_top)  # type: ignore[arg-type]


def hit(
    text: str,
    *,
    heading: str = "",
    document: int = 1,
    score: float = 1.0,
    words: float = 1.0,
    cosine: float | None = 0.8,
) -> Hit:
    passage = Passage(id=hash((text, document)), article=document, document=document, heading=heading, text=text)
    return Hit(passage=passage, score=score, lexical_article=words, lexical_clause=words, dense=cosine)


def result(question: str, *hits: Hit, dense_top: float = 0.85, dense: bool = True, **weights: float) -> SearchResult:
    return SearchResult(
        hits=list(hits),
        signals=signals(dense_top=dense_top, dense=dense) if hits else None,
        restored=question,
        term_weights={term.replace("_", " "): weight for term, weight in weights.items()},
    )


def measured(question: str, *hits: Hit, dense: bool = True, **weights: float) -> dict[str, float]:
    found = features(question, result(question, *hits, dense=dense, **weights))
    assert found is not None
    assert found.dense is dense
    return dict(found.values)


class TestFeatures:
    def test_a_question_that_a_hit_has_word_for_word(self) -> None:
        values = measured(
            "Thẻ xanh cấp cho người đạp xe",
            hit("Thẻ xanh cấp cho người đạp xe giỏi.", score=0.9),
            hit("Chuyện khác.", document=2, score=0.4),
            the=0.5, xanh=0.5, cap=0.5, nguoi=0.5, dap=0.5, xe=0.5,
            the_xanh=0.6, xanh_cap=0.6, nguoi_dap=0.6, dap_xe=0.6,
        )  # fmt: skip
        assert values == {
            "coverage": 1.0,
            "verbatim": 1.0,
            "missing_from_best": 0.0,
            "missing_syllable": 0.0,
            "missing_pair": 0.0,
            "unknown_pairs": 0.0,
            "unknown_document": 0.0,
            "document_margin": 0.5,
            "length": math.log1p(7),
            "dense_top": 0.85,
            "same_document": 1.0,
        }

    def test_what_is_missing_is_measured_over_content_only(self) -> None:
        """Of "Luộc trứng gà mấy phút": "mấy" is no content; the index knows "phút" but no hit has it."""
        values = measured(
            "Luộc trứng gà mấy phút?",
            hit("Người nuôi gà."),
            luoc=1.0, trung=0.9, ga=0.4, may=0.3, phut=0.7, luoc_trung=1.0, trung_ga=1.0, ga_may=1.0, may_phut=1.0,
        )  # fmt: skip
        assert values["coverage"] == pytest.approx(0.4 / 3.0)
        assert values["missing_from_best"] == 0.7
        assert values["missing_syllable"] == 1.0
        assert values["missing_pair"] == 1.0
        assert values["unknown_pairs"] == 1.0
        assert values["verbatim"] == 0.0

    def test_the_heading_is_read_with_the_clause(self) -> None:
        weights = {"thoi": 0.5, "han": 0.5, "muon": 0.5, "thoi_han": 0.5, "han_muon": 0.5}
        bare = measured("Thời hạn mượn", hit("05 ngày."), **weights)
        headed = measured("Thời hạn mượn", hit("05 ngày.", heading="Quy chế. Điều 3. Thời hạn mượn"), **weights)
        assert (bare["coverage"], headed["coverage"]) == (0.0, 1.0)

    def test_a_document_that_no_hit_names_is_unknown(self) -> None:
        question = "Theo Luật Hàng hải thì ai lái tàu?"
        assert measured(question, hit("Thuyền trưởng lái tàu."))["unknown_document"] == 1.0
        assert measured(question, hit("Ai cũng biết.", heading="Luật Hàng hải. Điều 1"))["unknown_document"] == 0.0
        assert measured("Điều lệ quy định thế nào về cờ?", hit("Cờ màu xanh."))["unknown_document"] == 0.0

    def test_the_margin_to_another_document(self) -> None:
        near = [hit("Xe.", score=0.9), hit("Hai.", score=0.8), hit("Ba.", document=2, score=0.7)]
        assert measured("Xe", *near)["document_margin"] == pytest.approx(0.2)
        assert measured("Xe", *near[:2])["document_margin"] == pytest.approx(0.1)

    def test_words_and_meaning_may_prefer_different_documents(self) -> None:
        by_words, by_meaning = hit("Xe.", words=9, cosine=None), hit("Hai.", document=2, words=1, cosine=0.9)
        assert measured("Xe", by_words, by_meaning)["same_document"] == 0.0
        assert measured("Xe", by_words)["same_document"] == 1.0

    def test_without_the_dense_side_only_words_are_measured(self) -> None:
        assert set(measured("Xe", hit("Xe.", cosine=None), dense=False)) == set(LEXICAL_FEATURES)
        assert set(measured("Xe", hit("Xe."))) == set(DENSE_FEATURES)

    def test_decomposed_text_measures_the_same(self) -> None:
        question, text = "Thẻ hội viên đổi khi nào?", "Thẻ hội viên được đổi khi hết hạn."
        weights = {"the": 0.5, "hoi": 0.3, "vien": 0.3, "doi": 0.6}
        decomposed = measured(
            unicodedata.normalize("NFD", question), hit(unicodedata.normalize("NFD", text)), **weights
        )
        assert decomposed == measured(question, hit(text), **weights)

    def test_nothing_found_or_nothing_asked_measures_nothing(self) -> None:
        assert features("Xe", result("Xe")) is None
        assert features("là gì thế?", result("là gì thế?", hit("Xe."))) is None
        assert features("?!", result("?!", hit("Xe."))) is None


def test_content_is_told_by_accents_and_the_longest_phrase() -> None:
    def content(question: str) -> list[str]:
        written, folded = question_syllables(question)
        assert len(written) == len(folded)
        return [word for word, keep in zip(written, content_mask(written), strict=True) if keep]

    assert content("Máy bơm hỏng mấy lần thì được thay?") == ["máy", "bơm", "hỏng", "lần", "thay"]
    assert content("Theo quy định của Quy chế, trong trồng trọt dùng gì?") == ["quy", "chế", "trồng", "trọt", "dùng"]
    assert content("Cây là sinh vật, đúng hay sai?") == ["cây", "sinh", "vật"]
    assert content("cay la gi") == ["cay"]
    assert content("") == []


def model(bias: float, threshold: float, **weights: float) -> Model:
    return Model(bias, {name: Coefficient(weight, 1.0) for name, weight in weights.items()}, threshold)


PARAMETERS = Parameters(dense=model(-1.0, 0.5, dense_top=2.0), lexical=model(0.0, 0.9, coverage=1.0))


class TestDecision:
    def test_confidence_is_the_logistic_of_the_weighted_sum(self) -> None:
        assert confidence(Features({"dense_top": 1.0}, dense=True), PARAMETERS) == pytest.approx(1 / (1 + math.exp(-1)))
        assert confidence(Features({"dense_top": -400.0}, dense=True), PARAMETERS) == pytest.approx(0.0)
        assert confidence(Features({"coverage": 0.0}, dense=False), PARAMETERS) == 0.5

    def test_the_threshold_itself_is_answered(self) -> None:
        question = "Xe"
        at = decide(question, result(question, hit("Xe."), dense_top=0.5), PARAMETERS)
        below = decide(question, result(question, hit("Xe."), dense_top=0.49), PARAMETERS)
        assert at == Decision(answered=True, confidence=0.5)
        assert not below.answered

    def test_without_the_dense_side_the_other_model_decides(self) -> None:
        question = "Xe"
        decided = decide(question, result(question, hit("Xe."), dense_top=9.0, dense=False), PARAMETERS)
        assert decided == Decision(answered=False, confidence=pytest.approx(1 / (1 + math.exp(-1))))

    def test_nothing_found_is_not_answered(self) -> None:
        assert decide("Xe", result("Xe"), PARAMETERS) == Decision(answered=False, confidence=0.0)

    @given(st.floats(-1e6, 1e6))
    def test_confidence_is_a_probability_for_any_number(self, value: float) -> None:
        assert 0 <= confidence(Features({"dense_top": value}, dense=True), PARAMETERS) <= 1


class TestParameters:
    def test_the_shipped_ones_name_every_feature_and_point_the_sensible_way(self) -> None:
        shipped = load_parameters()
        assert set(shipped.dense.coefficients) == set(DENSE_FEATURES)
        assert set(shipped.lexical.coefficients) == set(LEXICAL_FEATURES)
        for weights in (shipped.dense.coefficients, shipped.lexical.coefficients):
            assert weights["verbatim"].weight > 0 > weights["missing_pair"].weight
            assert weights["document_margin"].weight > 0 > weights["unknown_document"].weight
        assert shipped.dense.coefficients["dense_top"].weight > 0

    def test_written_and_read_back(self, tmp_path: Path) -> None:
        path = tmp_path / "calibration.json"
        save_parameters(load_parameters(), path)
        assert load_parameters(path) == load_parameters()
        assert [entry.name for entry in tmp_path.iterdir()] == ["calibration.json"]

    @pytest.mark.parametrize("broken", ["", "{", "[]", '{"dense": 1}', '{"dense": {}, "lexical": {}}'])
    def test_a_broken_file_is_named(self, tmp_path: Path, broken: str) -> None:
        path = tmp_path / "calibration.json"
        path.write_text(broken, encoding="utf-8")
        with pytest.raises(ParametersError, match=r"calibration\.json is not a file of abstention parameters"):
            load_parameters(path)

    @pytest.mark.parametrize(
        ("key", "value"), [("threshold", 1.5), ("threshold", "0.5"), ("bias", None), ("bias", True), ("bias", 1e999)]
    )
    def test_a_number_that_is_none(self, tmp_path: Path, key: str, value: object) -> None:
        path = tmp_path / "calibration.json"
        save_parameters(load_parameters(), path)
        data = json.loads(path.read_text(encoding="utf-8"))
        data["dense"][key] = value
        path.write_text(json.dumps(data), encoding="utf-8")
        with pytest.raises(ParametersError):
            load_parameters(path)

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ParametersError, match="cannot be read"):
            load_parameters(tmp_path / "none.json")
