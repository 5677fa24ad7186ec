"""Reading: what the IMAP server has, without changing it."""
