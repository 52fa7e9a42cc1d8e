"""Tokens of Vietnamese messages for the engine: syllables, with the accent-folded form as lemma.

Half of the members type without accents. ``CountVectorsFeaturizer`` counts lemmas, so every feature of the pipeline is
accent-folded by the same function that search uses, and no component needs to know about it.
"""

from __future__ import annotations

import re
from typing import Any

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.tokenizers.tokenizer import Token, Tokenizer
from rasa.shared.nlu.training_data.message import Message

from core.text import SYLLABLE, fold, nfc

_TAG = re.compile(r"<[^<>]{0,200}>")
_LENGTHENED = re.compile(r"(.)\1{2,}")


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=False)
class SyllableTokenizer(Tokenizer):  # type: ignore[misc]  # the engine is untyped
    """Splits at everything that is not a letter or digit; mark-up is skipped, very long messages are cut.

    Start and end of a token are offsets into the NFC form of the text. A message without any letter or digit has no
    tokens; ``IntentClassifier`` settles it.
    """

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """``max_tokens``: an intent shows in the first words; the rest of a pasted page only costs time."""
        return {"intent_tokenization_flag": False, "intent_split_symbol": "_", "token_pattern": None, "max_tokens": 120}

    def tokenize(self, message: Message, attribute: str) -> list[Token]:
        """Tokens of *attribute* of *message*; ``lemma`` is folded, with "chàooooo" shortened to "chao"."""
        text = _TAG.sub(lambda tag: " " * len(tag.group()), nfc(message.get(attribute)))
        tokens: list[Token] = []
        for match in SYLLABLE.finditer(text):
            if len(tokens) == self._config["max_tokens"]:
                break
            lemma = fold(match.group())
            if not lemma.isdigit():
                lemma = _LENGTHENED.sub(r"\1", lemma)
            tokens.append(Token(match.group(), match.start(), lemma=lemma))
        return tokens
