"""Problem-report intake of a certificate authority."""
