"""Card photographs to fields, selfies to a match, evidence to a decision. Pure: no database, no web."""
