"""Measurements: speed is checked here, side by side with peers, never by a timed test."""
