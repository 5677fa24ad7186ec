"""Owing: what we promised, to whom, by when."""
