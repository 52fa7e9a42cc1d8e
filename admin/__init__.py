"""The console of administrators, secretaries and curators."""
