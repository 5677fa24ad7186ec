"""The configuration: read from a file, checked whole at start.

A fault is a `ConfigError` (exit status 3) whose problems name key, value, rule and fix.
"""

from intake.config.file import files_matching, find_config
from intake.config.linters import LintersSection
from intake.config.mailbox import MailboxSection
from intake.config.revocation import RevocationSection
from intake.config.sections import (
    ArchiveSection,
    CertificatesSection,
    Config,
    CrtshSection,
    DatabaseSection,
    EscalationSection,
    EscalationStep,
    ServiceSection,
    SlackSection,
    SmtpSection,
    default_steps,
    load_config,
    require_files,
)
from intake.config.values import (
    Duration,
    Secret,
    Section,
    Security,
    is_loopback,
    parse_duration,
    render_duration,
)

__all__ = [
    "ArchiveSection",
    "CertificatesSection",
    "Config",
    "CrtshSection",
    "DatabaseSection",
    "Duration",
    "EscalationSection",
    "EscalationStep",
    "LintersSection",
    "MailboxSection",
    "RevocationSection",
    "Secret",
    "Section",
    "Security",
    "ServiceSection",
    "SlackSection",
    "SmtpSection",
    "default_steps",
    "files_matching",
    "find_config",
    "is_loopback",
    "load_config",
    "parse_duration",
    "render_duration",
    "require_files",
]
