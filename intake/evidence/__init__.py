"""Showing: what a message holds, before anyone judges it."""
