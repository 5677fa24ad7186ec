"""The second reader: lists a mailbox by other code than the poller's, and compares it with the archive.

One bug must not hide in both, so nothing here comes from `intake.mailbox` but the program that
prints bearer tokens; import-linter holds it.
"""
