"""A text to a document: its tree, its metadata and its relations."""

from __future__ import annotations

from core.text.aligned import Aligned
from ingest.metadata import read_metadata
from ingest.model import ParsedDocument
from ingest.relations import find_relations
from ingest.structure import build_tree

__all__ = ["parse"]


def parse(text: str, *, name: str | None = None) -> ParsedDocument:
    """Parse *text* as decoded. Never raises: a text without structure is one root with its own words.

    *name*, the file's stem, becomes the title where the text has none.
    """
    root = build_tree(Aligned(text))
    metadata = read_metadata(text, root, name)
    return ParsedDocument(
        text=text,
        metadata=metadata,
        relations=find_relations(text, root, metadata.type),
        root=root,
    )
