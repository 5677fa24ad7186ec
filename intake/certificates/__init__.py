"""Knowing: which certificate is meant, whose it is, and what linters say."""
