"""Telling: cards, reminders and breach notices, by Slack and by mail."""
