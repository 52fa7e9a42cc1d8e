"""Pages for members: the chat's home, the list of documents, the reader."""
