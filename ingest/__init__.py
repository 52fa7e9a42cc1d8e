"""A file becomes a structured document: ``parse(read(path).text)``. Pure: no database, no network."""

from ingest.errors import (
    BrokenFileError,
    ClassifiedDocumentError,
    EmptyFileError,
    EncodingError,
    IngestError,
    ProtectedFileError,
    TooLargeError,
    UnreadableFileError,
    UnsupportedFormatError,
)
from ingest.model import (
    KINDS,
    Format,
    Kind,
    Metadata,
    ParsedDocument,
    Provision,
    Relation,
    RelationKind,
    Source,
    content_span,
    pieces,
)
from ingest.parsing import parse
from ingest.reading import FORMATS, MAX_BYTES, read, read_bytes

__all__ = [
    "FORMATS",
    "KINDS",
    "MAX_BYTES",
    "BrokenFileError",
    "ClassifiedDocumentError",
    "EmptyFileError",
    "EncodingError",
    "Format",
    "IngestError",
    "Kind",
    "Metadata",
    "ParsedDocument",
    "ProtectedFileError",
    "Provision",
    "Relation",
    "RelationKind",
    "Source",
    "TooLargeError",
    "UnreadableFileError",
    "UnsupportedFormatError",
    "content_span",
    "parse",
    "pieces",
    "read",
    "read_bytes",
]
