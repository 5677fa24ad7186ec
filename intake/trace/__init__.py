"""Answering: what became of a message."""
