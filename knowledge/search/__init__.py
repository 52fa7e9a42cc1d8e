"""Search: passages of published documents found by words and by meaning, as of a day (see ``index.SearchIndex``)."""
