"""The first schema, written out: later changes of the tables are migrations of their own."""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table, and the full-text index beside them."""
    _make_certificate_to_crtshentry()
    _make_item_to_itemname()
    _make_keystatement_to_uidgap()
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE message_text USING fts5("
            "subject, sender, body, content='', tokenize='unicode61 remove_diacritics 2')"
        )
    else:
        op.execute("CREATE TABLE message_text (message INTEGER PRIMARY KEY, words TEXT[] NOT NULL)")
        op.execute("CREATE INDEX ix_message_text_words ON message_text USING gin (words)")


def _make_certificate_to_crtshentry() -> None:
    op.create_table(
        "certificate",
        sa.Column("sha256", AutoString(), nullable=False),
        sa.Column("sha1", AutoString(), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.Column("origin", AutoString(), nullable=False),
        sa.Column("first_seen_at", UTCDateTime(), nullable=False),
        sa.Column("serial_number", AutoString(), nullable=True),
        sa.Column("issuer", AutoString(), nullable=True),
        sa.Column("issuer_sha256", AutoString(), nullable=True),
        sa.Column("subject", AutoString(), nullable=True),
        sa.Column("not_before", UTCDateTime(), nullable=True),
        sa.Column("not_after", UTCDateTime(), nullable=True),
        sa.Column("spki_sha256", AutoString(), nullable=True),
        sa.Column("key_match", AutoString(), nullable=True),
        sa.Column("precertificate", sa.Boolean(), nullable=False),
        sa.Column("read_by", AutoString(), nullable=False),
        sa.Column("ours", AutoString(), nullable=False),
        sa.Column("ours_why", AutoString(), nullable=False),
        sa.Column("names_us", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index(
        op.f("ix_certificate_issuer_sha256"), "certificate", ["issuer_sha256"], unique=False
    )
    op.create_index(op.f("ix_certificate_key_match"), "certificate", ["key_match"], unique=False)
    op.create_index(
        "ix_certificate_serial_number",
        "certificate",
        ["serial_number"],
        unique=False,
        postgresql_using="hash",
    )
    op.create_index(op.f("ix_certificate_sha1"), "certificate", ["sha1"], unique=False)
    op.create_index(
        op.f("ix_certificate_spki_sha256"), "certificate", ["spki_sha256"], unique=False
    )
    op.create_table(
        "coverage",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", AutoString(), nullable=False),
        sa.Column("from_at", UTCDateTime(), nullable=False),
        sa.Column("to_at", UTCDateTime(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=True),
        sa.Column("uid_to", sa.BigInteger(), nullable=True),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_coverage_source"), "coverage", ["source"], unique=False)
    op.create_table(
        "fact",
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("value", AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "folder",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox", AutoString(), nullable=False),
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("first_uid", sa.BigInteger(), nullable=True),
        sa.Column("exists", sa.BigInteger(), nullable=True),
        sa.Column("is_junk", sa.Boolean(), nullable=False),
        sa.Column("first_polled_at", UTCDateTime(), nullable=False),
        sa.Column("last_polled_at", UTCDateTime(), nullable=False),
        sa.Column("gone_since", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("mailbox", "name"),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", AutoString(), nullable=False),
        sa.Column("kind", AutoString(), nullable=False),
        sa.Column("subject", AutoString(), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=True),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("leased_until", UTCDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", AutoString(), nullable=True),
        sa.Column("served_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_job_ready", "job", ["state", "kind", "due_at"], unique=False)
    op.create_index(op.f("ix_job_ticket"), "job", ["ticket"], unique=False)
    op.create_table(
        "reconciliation",
        sa.Column("mailbox", AutoString(), nullable=False),
        sa.Column("folder", AutoString(), nullable=False),
        sa.Column("uidvalidity", sa.Integer(), nullable=False),
        sa.Column("compared_to", sa.Integer(), nullable=False),
        sa.Column("sample_from", sa.Integer(), nullable=False),
        sa.Column("again", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox", "folder"),
    )
    op.create_table(
        "revocationdocument",
        sa.Column("sha256", AutoString(), nullable=False),
        sa.Column("compressed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_table(
        "sealedpiece",
        sa.Column("stream", AutoString(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "number"),
    )
    op.create_table(
        "slackaction",
        sa.Column("key", AutoString(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "ticket",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("token", AutoString(), nullable=False),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("disposition", AutoString(), nullable=True),
        sa.Column("priority", AutoString(), nullable=False),
        sa.Column("subject", AutoString(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("acknowledged_at", UTCDateTime(), nullable=True),
        sa.Column("acknowledged_by", AutoString(), nullable=True),
        sa.Column("assignee", AutoString(), nullable=True),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("closed_by", AutoString(), nullable=True),
        sa.Column("closed_reason", AutoString(), nullable=True),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("next_action_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token"),
    )
    op.create_index(op.f("ix_ticket_closed_at"), "ticket", ["closed_at"], unique=False)
    op.create_index(op.f("ix_ticket_next_action_at"), "ticket", ["next_action_at"], unique=False)
    op.create_index(op.f("ix_ticket_state"), "ticket", ["state"], unique=False)
    op.create_table(
        "watchedmailbox",
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("watch_from", UTCDateTime(), nullable=False),
        sa.Column("last_good_poll_at", UTCDateTime(), nullable=True),
        sa.Column("trouble", AutoString(), nullable=True),
        sa.Column("trouble_since", UTCDateTime(), nullable=True),
        sa.Column("reconciled_at", UTCDateTime(), nullable=True),
        sa.Column("differences", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "crtshentry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", AutoString(), nullable=False),
        sa.Column("value", AutoString(), nullable=False),
        sa.Column("sha256", AutoString(), nullable=False),
        sa.Column("answered_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sha256"],
            ["certificate.sha256"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("kind", "value", "sha256"),
    )


def _make_item_to_itemname() -> None:
    op.create_table(
        "item",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("serial_number", AutoString(), nullable=True),
        sa.Column("issuer", AutoString(), nullable=True),
        sa.Column("ours", AutoString(), nullable=False),
        sa.Column("lint", AutoString(), nullable=False),
        sa.Column("revocation", AutoString(), nullable=False),
        sa.Column("reason", AutoString(), nullable=True),
        sa.Column("reason_by", AutoString(), nullable=True),
        sa.Column("suggested", AutoString(), nullable=True),
        sa.Column("proved_key", AutoString(), nullable=True),
        sa.Column("claimed_revoked_at", UTCDateTime(), nullable=True),
        sa.Column("claimed_revoked_by", AutoString(), nullable=True),
        sa.Column("alarms", sa.JSON(), nullable=False),
        sa.Column("merged_into", sa.Integer(), nullable=True),
        sa.Column("problem", AutoString(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merged_into"],
            ["item.id"],
        ),
        sa.ForeignKeyConstraint(
            ["ticket"],
            ["ticket.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ticket", "number"),
    )
    op.create_index(op.f("ix_item_ticket"), "item", ["ticket"], unique=False)
    op.create_table(
        "lintrun",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("certificate", AutoString(), nullable=False),
        sa.Column("linter", AutoString(), nullable=False),
        sa.Column("version", AutoString(), nullable=False),
        sa.Column("profile", AutoString(), nullable=True),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate"],
            ["certificate.sha256"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("certificate", "linter", "version"),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", AutoString(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("body_sha256", AutoString(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("received_from", AutoString(), nullable=False),
        sa.Column("first_seen_at", UTCDateTime(), nullable=False),
        sa.Column("decision", AutoString(), nullable=True),
        sa.Column("ticket", sa.Integer(), nullable=True),
        sa.Column("sender", AutoString(), nullable=True),
        sa.Column("subject", AutoString(), nullable=True),
        sa.Column("sent_at", UTCDateTime(), nullable=True),
        sa.Column("kind", AutoString(), nullable=True),
        sa.Column("reading_problems", sa.JSON(), nullable=False),
        sa.Column("holds_private_key", sa.Boolean(), nullable=False),
        sa.Column("stands_for", AutoString(), nullable=True),
        sa.Column("completes", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["completes"],
            ["message.id"],
        ),
        sa.ForeignKeyConstraint(
            ["ticket"],
            ["ticket.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sha256"),
    )
    op.create_index(op.f("ix_message_body_sha256"), "message", ["body_sha256"], unique=False)
    op.create_index(op.f("ix_message_decision"), "message", ["decision"], unique=False)
    op.create_index(op.f("ix_message_received_at"), "message", ["received_at"], unique=False)
    op.create_index(
        "ix_message_sender", "message", ["sender"], unique=False, postgresql_using="hash"
    )
    op.create_index(op.f("ix_message_ticket"), "message", ["ticket"], unique=False)
    op.create_table(
        "notice",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("key", AutoString(), nullable=False),
        sa.Column("kind", AutoString(), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=True),
        sa.Column("step", AutoString(), nullable=False),
        sa.Column("covers", sa.JSON(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("medium", AutoString(), nullable=False),
        sa.Column("to", AutoString(), nullable=False),
        sa.Column("text", AutoString(), nullable=False),
        sa.Column("delivered_to", sa.JSON(), nullable=False),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("wanted_version", sa.Integer(), nullable=False),
        sa.Column("sent_version", sa.Integer(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("next_try_at", UTCDateTime(), nullable=False),
        sa.Column("leased_until", UTCDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", AutoString(), nullable=True),
        sa.Column("sent_at", UTCDateTime(), nullable=True),
        sa.Column("handed_over_at", UTCDateTime(), nullable=True),
        sa.Column("slack_channel", AutoString(), nullable=True),
        sa.Column("slack_ts", AutoString(), nullable=True),
        sa.ForeignKeyConstraint(
            ["ticket"],
            ["ticket.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("ix_notice_ready", "notice", ["state", "next_try_at"], unique=False)
    op.create_index(op.f("ix_notice_ticket"), "notice", ["ticket"], unique=False)
    op.create_table(
        "revocationstatus",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("issuer_sha256", AutoString(), nullable=False),
        sa.Column("serial_number", AutoString(), nullable=False),
        sa.Column("certificate", AutoString(), nullable=False),
        sa.Column("watched", sa.Boolean(), nullable=False),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("crl_state", AutoString(), nullable=True),
        sa.Column("crl_until", UTCDateTime(), nullable=True),
        sa.Column("ocsp_state", AutoString(), nullable=True),
        sa.Column("ocsp_until", UTCDateTime(), nullable=True),
        sa.Column("crl_revoked_at", UTCDateTime(), nullable=True),
        sa.Column("ocsp_revoked_at", UTCDateTime(), nullable=True),
        sa.Column("first_observed_revoked_at", UTCDateTime(), nullable=True),
        sa.Column("asserted_revoked_at", UTCDateTime(), nullable=True),
        sa.Column("reason", sa.Integer(), nullable=True),
        sa.Column("crl_number", AutoString(), nullable=True),
        sa.Column("last_good_until", UTCDateTime(), nullable=True),
        sa.Column("checked_at", UTCDateTime(), nullable=True),
        sa.Column("problems", sa.JSON(), nullable=False),
        sa.Column("detail", AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["certificate"],
            ["certificate.sha256"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("issuer_sha256", "serial_number"),
    )
    op.create_table(
        "sentmessageid",
        sa.Column("message_id", AutoString(), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=True),
        sa.Column("purpose", AutoString(), nullable=False),
        sa.Column("sent_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket"],
            ["ticket.id"],
        ),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("actor", AutoString(), nullable=False),
        sa.Column("action", AutoString(), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=True),
        sa.Column("message", sa.Integer(), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous_hash", AutoString(), nullable=False),
        sa.Column("hash", AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message"],
            ["message.id"],
        ),
        sa.ForeignKeyConstraint(
            ["ticket"],
            ["ticket.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_event_message"), "event", ["message"], unique=False)
    op.create_index(op.f("ix_event_ticket"), "event", ["ticket"], unique=False)
    op.create_table(
        "itemcertificate",
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("sha256", AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["item"],
            ["item.id"],
        ),
        sa.ForeignKeyConstraint(
            ["sha256"],
            ["certificate.sha256"],
        ),
        sa.PrimaryKeyConstraint("item", "sha256"),
    )
    op.create_index(op.f("ix_itemcertificate_sha256"), "itemcertificate", ["sha256"], unique=False)
    op.create_table(
        "itemname",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("item", sa.Integer(), nullable=False),
        sa.Column("message", sa.Integer(), nullable=False),
        sa.Column("kind", AutoString(), nullable=False),
        sa.Column("value", AutoString(), nullable=False),
        sa.Column("named_as", AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["item"],
            ["item.id"],
        ),
        sa.ForeignKeyConstraint(
            ["message"],
            ["message.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("item", "kind", "value", "message"),
    )
    op.create_index(op.f("ix_itemname_item"), "itemname", ["item"], unique=False)
    op.create_index("ix_itemname_kind_value", "itemname", ["kind", "value"], unique=False)


def _make_keystatement_to_uidgap() -> None:
    op.create_table(
        "keystatement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("spki_sha256", AutoString(), nullable=False),
        sa.Column("algorithm", AutoString(), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", AutoString(), nullable=False),
        sa.Column("part", AutoString(), nullable=False),
        sa.Column("message", sa.Integer(), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=True),
        sa.Column("proved_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message"],
            ["message.id"],
        ),
        sa.ForeignKeyConstraint(
            ["ticket"],
            ["ticket.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("sha256", "message"),
    )
    op.create_index(
        op.f("ix_keystatement_spki_sha256"), "keystatement", ["spki_sha256"], unique=False
    )
    op.create_table(
        "lintfinding",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("code", AutoString(), nullable=False),
        sa.Column("severity", AutoString(), nullable=False),
        sa.Column("message", AutoString(), nullable=False),
        sa.Column("citation", AutoString(), nullable=True),
        sa.Column("effective_from", UTCDateTime(), nullable=True),
        sa.Column("in_force_at_issuance", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run"],
            ["lintrun.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_lintfinding_code"), "lintfinding", ["code"], unique=False)
    op.create_index(op.f("ix_lintfinding_run"), "lintfinding", ["run"], unique=False)
    op.create_table(
        "messageidentry",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message", sa.Integer(), nullable=False),
        sa.Column("source", AutoString(), nullable=False),
        sa.Column("original", AutoString(), nullable=False),
        sa.Column("normalised", AutoString(), nullable=False),
        sa.Column("folded", AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message"],
            ["message.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message", "source", "original"),
    )
    op.create_index(
        "ix_messageidentry_folded", "messageidentry", ["folded", "source"], unique=False
    )
    op.create_index(
        "ix_messageidentry_normalised", "messageidentry", ["normalised", "source"], unique=False
    )
    op.create_table(
        "obligation",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=False),
        sa.Column("kind", AutoString(), nullable=False),
        sa.Column("item", sa.Integer(), nullable=True),
        sa.Column("message", sa.Integer(), nullable=True),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("basis", AutoString(), nullable=False),
        sa.Column("met_at", UTCDateTime(), nullable=True),
        sa.Column("met_by", AutoString(), nullable=True),
        sa.Column("met_message_id", AutoString(), nullable=True),
        sa.Column("waived_at", UTCDateTime(), nullable=True),
        sa.Column("waived_reason", AutoString(), nullable=True),
        sa.Column("told_seconds", sa.Integer(), nullable=True),
        sa.Column("told_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["item"],
            ["item.id"],
        ),
        sa.ForeignKeyConstraint(
            ["message"],
            ["message.id"],
        ),
        sa.ForeignKeyConstraint(
            ["ticket"],
            ["ticket.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_obligation_owed",
        "obligation",
        ["ticket", "kind", "met_at", "waived_at", "received_at"],
        unique=False,
    )
    op.create_index(
        "ix_obligation_open", "obligation", ["met_at", "waived_at", "due_at"], unique=False
    )
    op.create_index(op.f("ix_obligation_item"), "obligation", ["item"], unique=False)
    op.create_table(
        "probe",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("address", AutoString(), nullable=False),
        sa.Column("message_id", AutoString(), nullable=False),
        sa.Column("sent_at", UTCDateTime(), nullable=False),
        sa.Column("arrived_at", UTCDateTime(), nullable=True),
        sa.Column("message", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message"],
            ["message.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("message_id"),
    )
    op.create_table(
        "provenkey",
        sa.Column("key_match", AutoString(), nullable=False),
        sa.Column("spki_sha256", AutoString(), nullable=False),
        sa.Column("kind", AutoString(), nullable=False),
        sa.Column("method", AutoString(), nullable=False),
        sa.Column("verifier", AutoString(), nullable=False),
        sa.Column("proof_sha256", AutoString(), nullable=False),
        sa.Column("part", AutoString(), nullable=False),
        sa.Column("message", sa.Integer(), nullable=False),
        sa.Column("ticket", sa.Integer(), nullable=True),
        sa.Column("proved_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message"],
            ["message.id"],
        ),
        sa.ForeignKeyConstraint(
            ["ticket"],
            ["ticket.id"],
        ),
        sa.PrimaryKeyConstraint("key_match"),
    )
    op.create_table(
        "revocationevidence",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("source", AutoString(), nullable=False),
        sa.Column("url", AutoString(), nullable=False),
        sa.Column("answer", AutoString(), nullable=False),
        sa.Column("detail", AutoString(), nullable=False),
        sa.Column("reason", sa.Integer(), nullable=True),
        sa.Column("asserted_revoked_at", UTCDateTime(), nullable=True),
        sa.Column("this_update", UTCDateTime(), nullable=True),
        sa.Column("next_update", UTCDateTime(), nullable=True),
        sa.Column("number", AutoString(), nullable=True),
        sa.Column("document", AutoString(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("fetched_at", UTCDateTime(), nullable=False),
        sa.Column("confirmed_at", UTCDateTime(), nullable=False),
        sa.Column("confirmations", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document"],
            ["revocationdocument.sha256"],
        ),
        sa.ForeignKeyConstraint(
            ["status"],
            ["revocationstatus.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        op.f("ix_revocationevidence_status"), "revocationevidence", ["status"], unique=False
    )
    op.create_table(
        "sealedmessage",
        sa.Column("message", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message"],
            ["message.id"],
        ),
        sa.PrimaryKeyConstraint("message"),
    )
    op.create_table(
        "sighting",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("message", sa.Integer(), nullable=False),
        sa.Column("mailbox", AutoString(), nullable=False),
        sa.Column("folder", AutoString(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("internal_date", UTCDateTime(), nullable=True),
        sa.Column("first_seen_at", UTCDateTime(), nullable=False),
        sa.Column("gone_since", UTCDateTime(), nullable=True),
        sa.Column("in_junk", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message"],
            ["message.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("mailbox", "folder", "uidvalidity", "uid"),
    )
    op.create_index(op.f("ix_sighting_message"), "sighting", ["message"], unique=False)
    op.create_table(
        "uidgap",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("mailbox", AutoString(), nullable=False),
        sa.Column("folder", AutoString(), nullable=False),
        sa.Column("uidvalidity", sa.BigInteger(), nullable=False),
        sa.Column("uid_from", sa.BigInteger(), nullable=False),
        sa.Column("uid_to", sa.BigInteger(), nullable=False),
        sa.Column("reason", AutoString(), nullable=False),
        sa.Column("after", UTCDateTime(), nullable=True),
        sa.Column("noticed_at", UTCDateTime(), nullable=False),
        sa.Column("resolved_at", UTCDateTime(), nullable=True),
        sa.Column("tried_at", UTCDateTime(), nullable=True),
        sa.Column("stub", sa.Integer(), nullable=True),
        sa.Column("beginning_sha256", AutoString(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("stream", AutoString(), nullable=True),
        sa.ForeignKeyConstraint(
            ["stub"],
            ["message.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("mailbox", "folder", "uidvalidity", "uid_from"),
    )
