"""Keeping: every message byte for byte, sealed and findable."""
