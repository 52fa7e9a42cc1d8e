"""Which syllables of a Vietnamese question say what it is about, and which only make it a question."""

from __future__ import annotations

from core.text import SYLLABLE, fold, unify_tones

__all__ = ["content_mask", "question_syllables"]

# With accents, because many function words fold to a content word: "mấy" and "máy", "trong" and "trồng", "mà" and "ma".
_PHRASES = """
đúng hay sai|có đúng không|đúng không|phải không|hay không|có được không|được không|có phải|là đúng|là sai|không đúng
như thế nào|thế nào|ra sao|làm sao|vì sao|tại sao|thì sao|sao|là gì|những gì|cái gì|việc gì|làm gì|điều gì|gì|gồm
bao nhiêu|bao lâu|bao giờ|bao xa|khi nào|lúc nào|ngày nào|năm nào|ở đâu|chỗ nào|đâu|như nào|là ai|những ai|ai|mấy giờ|mấy
nào sau đây|sau đây|dưới đây|nào|cho tôi hỏi|cho em hỏi|cho mình hỏi|tôi muốn hỏi|xin hỏi|cho hỏi|hỏi|xin cho biết
hãy cho biết|cho tôi biết|cho biết|hãy nêu|hãy kể|nêu|trình bày|đáp án|khẳng định|phát biểu|nhận định|trường hợp nào
theo quy định của|theo quy định tại|theo quy định|được quy định|quy định|theo|định nghĩa|được hiểu|được gọi là|gọi là
một trong những|một trong các|không|là|của|và|các|những|có|được|bị|thì|mà|với|cho|trong|về|từ|đến|hoặc|hay|phải|cần
để|một|khi|nếu|do|tại|ở|ra|vào|bằng|này|đó|kia|đang|sẽ|đã|cũng|như|bởi|vì|nên|muốn|xin|ạ|à|hả|nhỉ|nhé|vậy|thế|ơi
tôi|mình|em|anh|chị|bạn|cháu|bác|cô|chú|mới|thôi|cứ|chỉ|lại|luôn|rồi|chưa|đi|giúp|với ạ
"""
_LONGEST = 5
_FUNCTION = frozenset(
    tuple(SYLLABLE.findall(unify_tones(phrase))) for phrase in _PHRASES.replace("\n", "|").split("|") if phrase
)
_FOLDED_FUNCTION = frozenset(tuple(fold(syllable) for syllable in phrase) for phrase in _FUNCTION)


def question_syllables(question: str) -> tuple[list[str], list[str]]:
    """Return the syllables of *question* as written (lower case, NFC, tones unified) and folded, of equal length."""
    written = SYLLABLE.findall(unify_tones(question).lower())
    return written, [fold(syllable) for syllable in written]


def content_mask(written: list[str]) -> list[bool]:
    """Tell for each syllable of a question (as :func:`question_syllables` writes it) whether it carries content.

    Function words, question words and the frames of examination questions ("đúng hay sai", "nào sau đây") carry none;
    the longest phrase wins. Restore a question typed without accents first: without any accent the phrases are compared
    folded, and then some content words ("máy", "trồng") pass for function words.
    """
    phrases = _FUNCTION if any(fold(syllable) != syllable for syllable in written) else _FOLDED_FUNCTION
    mask = [True] * len(written)
    position = 0
    while position < len(written):
        for length in range(min(_LONGEST, len(written) - position), 0, -1):
            if tuple(written[position : position + length]) in phrases:
                mask[position : position + length] = [False] * length
                position += length
                break
        else:
            position += 1
    return mask
