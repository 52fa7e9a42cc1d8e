"""Tokens, and what the trained model makes of messages that it has never seen."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rasa.core.agent import Agent
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message

from bot.model import ROOT, fingerprint, model_path
from bot.nlu.classifier import IntentClassifier
from bot.nlu.tokenizer import SyllableTokenizer
from core.text import syllables

pytestmark = pytest.mark.filterwarnings("ignore")  # the engine's libraries warn about each other

HELD_OUT = ROOT / "tests" / "data" / "intents_heldout.jsonl"
JUNK = ROOT / "tests" / "data" / "junk.jsonl"
Parse = Callable[[str], dict[str, Any]]


def lemmas(text: str, **config: Any) -> list[str]:
    tokenizer = SyllableTokenizer({**SyllableTokenizer.get_default_config(), **config})
    return [token.lemma for token in tokenizer.tokenize(Message.build(text), TEXT)]


def test_accents_forms_and_spelling_variants_give_the_same_lemmas() -> None:
    expected = ["dieu", "le", "hoa", "binh"]
    for text in ("Điều lệ Hòa Bình", "điều lệ hoà bình", "dieu le hoa binh", "ĐIỀU LỆ, HÒA-BÌNH!"):
        assert lemmas(text) == expected
        assert lemmas(unicodedata.normalize("NFD", text)) == expected


def test_markup_is_skipped_lengthened_words_shortened_and_numbers_kept() -> None:
    assert lemmas("<b class='x'>Chàooooo</b> khoản 1000, Điều 5") == ["chao", "khoan", "1000", "dieu", "5"]


def test_offsets_point_into_the_composed_text() -> None:
    text = "<i>Điều</i> 5"
    tokenizer = SyllableTokenizer(SyllableTokenizer.get_default_config())
    decomposed = Message.build(unicodedata.normalize("NFD", text))
    tokens = tokenizer.tokenize(decomposed, TEXT)
    assert [text[token.start : token.end] for token in tokens] == ["Điều", "5"]


def test_long_messages_are_cut_and_empty_ones_have_no_tokens() -> None:
    assert len(lemmas("hội phí " * 5000)) == 120
    assert lemmas("một hai ba", max_tokens=2) == ["mot", "hai"]
    assert lemmas("😀 ?!… ") == []


def test_the_fingerprint_follows_the_training_files(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("a", encoding="utf-8")
    before = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == before
    (tmp_path / "config.yml").write_text("b", encoding="utf-8")
    assert fingerprint(tmp_path) != before


@pytest.fixture(scope="session")
def parse(trained: Path) -> Parse:
    agent = Agent.load(str(model_path(trained)))
    return lambda text: asyncio.run(agent.parse_message(text))


def intent(parsed: dict[str, Any]) -> str:
    return str(parsed["intent"]["name"])


def test_training_removes_models_of_earlier_files_and_is_not_repeated(trained: Path) -> None:
    from bot.train import train

    model = model_path(trained)
    modified = model.stat().st_mtime_ns
    assert train(trained) == model
    assert model.stat().st_mtime_ns == modified
    assert [path.name for path in model.parent.iterdir()] == [model.name]


OWN_MATTERS = {"my_profile", "my_data", "erase_my_data", "withdraw_consent", "sign_in", "sign_up"}


def test_held_out_messages_in_other_words(parse: Parse) -> None:
    rows = [json.loads(line) for line in HELD_OUT.read_text(encoding="utf-8").splitlines()]
    wrong = [(row["intent"], row["text"]) for row in rows if intent(parse(row["text"])) != row["intent"]]
    questions = [row for row in rows if row["intent"] not in OWN_MATTERS]
    missed = [entry for entry in wrong if entry[0] not in OWN_MATTERS]
    assert len(questions) >= 300
    assert 1 - len(wrong) / len(rows) >= 0.95, wrong
    assert 1 - len(missed) / len(questions) >= 0.97, missed
    for name in OWN_MATTERS:
        accents = [row["accents"] for row in rows if row["intent"] == name]
        assert len(accents) >= 20
        assert accents.count(False) * 2 == len(accents)
        assert sum(name == entry[0] for entry in wrong) <= len(accents) * 0.15, wrong


def test_no_held_out_message_is_a_training_example() -> None:
    def key(text: str) -> str:
        return " ".join(syllables(text))

    trained = {
        key(line.removeprefix("      - "))
        for path in (ROOT / "bot" / "data" / "nlu").glob("*.yml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("      - ")
    }
    held_out = {key(json.loads(line)["text"]) for line in HELD_OUT.read_text(encoding="utf-8").splitlines()}
    assert len(trained) > 5000
    assert held_out & trained == set()


def test_junk_is_no_small_talk(parse: Parse) -> None:
    texts = [json.loads(line)["text"] for line in JUNK.read_text(encoding="utf-8").splitlines()]
    # A question's intent leads to an abstention; two of forty may be taken for something else.
    other = [text for text in texts if intent(parse(text.strip().lstrip("/"))) not in {"ask", "out_of_scope"}]
    assert len(texts) == 40
    assert len(other) <= 2, other


@pytest.mark.parametrize("text", ["", "   ", "😀😀😀", "?????", "...", "<br><br>"])
def test_messages_without_words_are_out_of_scope(parse: Parse, text: str) -> None:
    assert intent(parse(text)) == "out_of_scope"


def test_very_long_messages_are_parsed(parse: Parse) -> None:
    assert intent(parse("điều kiện kết nạp hội viên " * 400)) == "ask"


@pytest.mark.parametrize(
    ("ranking", "taken"),
    [
        ([("greet", 0.56), ("ask", 0.3), ("out_of_scope", 0.1)], "greet"),
        ([("greet", 0.54), ("out_of_scope", 0.3), ("ask", 0.1)], "out_of_scope"),
        ([("stop", 0.3), ("greet", 0.28), ("ask", 0.2)], "ask"),
        ([("ask", 0.2), ("greet", 0.19)], "ask"),
    ],
)
def test_a_doubtful_courtesy_is_a_question(ranking: list[tuple[str, float]], taken: str) -> None:
    entries = [{"name": name, "confidence": confidence} for name, confidence in ranking]
    message = Message.build("x")
    message.set("intent", entries[0])
    message.set("intent_ranking", entries)
    classifier = IntentClassifier(IntentClassifier.get_default_config(), "", None, None)
    classifier._prefer_questions(message)
    assert message.get("intent")["name"] == taken
    assert message.get("intent_ranking")[0]["name"] == taken
    assert sorted(entry["name"] for entry in message.get("intent_ranking")) == sorted(name for name, _ in ranking)
