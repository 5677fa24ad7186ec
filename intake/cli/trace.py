"""`intake trace`: what became of a message, and how strong that answer is.

Status 0 if a message is there, 1 if not.
"""

import argparse
from datetime import datetime
from typing import TYPE_CHECKING, Any

from intake.cli.context import add_command, open_context
from intake.cli.output import print_json, print_line
from intake.clock import parse_instant, render_instant
from intake.errors import UsageError

if TYPE_CHECKING:
    from intake.trace.findings import Findings, MessageFound, SourceCoverage, Span
    from intake.trace.verdict import Verdict


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `trace`."""
    parser = add_command(commands, "trace", run, "what became of a message, and how sure that is")
    parser.add_argument("query", metavar="QUERY", help="a Message-ID in any form, or words")
    parser.add_argument("--from", dest="sender", metavar="ADDRESS", help="who says they sent it")
    parser.add_argument("--around", metavar="TIME", help="when, e.g. 2017-08-13T04:45:12Z")
    parser.add_argument("--subject", metavar="WORDS", help="words of its subject")
    parser.add_argument("--json", action="store_true", help="one JSON document")


def run(options: argparse.Namespace) -> int:
    """Trace a message and print the answer."""
    from intake.trace.gather import gather
    from intake.trace.verdict import judge

    around = None if options.around is None else read_instant("--around", options.around)
    context = open_context(options)
    with context.database.read() as session:
        findings = gather(
            session,
            options.query,
            mailboxes=context.config.mailbox,
            now=context.now,
            sender=options.sender,
            around=around,
            words=options.subject,
        )
    verdict = judge(findings)
    if options.json:
        print_json(render_json(findings, verdict))
    else:
        from intake.trace.answer import render_answer

        print_line(render_answer(findings, verdict))
    return 0 if verdict.is_there else 1


def read_instant(option: str, text: str) -> datetime:
    """Read an instant from the command line.

    Raises:
        UsageError: if it is none.
    """
    try:
        return parse_instant(text)
    except ValueError:
        message = f"{option} {text!r} is not an instant; write for example 2017-08-13T04:45:12Z"
        raise UsageError(message) from None


def render_json(findings: "Findings", verdict: "Verdict") -> dict[str, Any]:
    """Return the answer as the contract has it."""
    from intake.trace.words import letter, next_commands

    question = findings.question
    return {
        "query": question.query,
        "message_id": None if question.message_id is None else f"<{question.message_id}>",
        "verdict": verdict.word,
        "explanation": verdict.sentence,
        "messages": [_message(message) for message in findings.messages],
        "mail_log": [],
        "probes": [
            {
                "sent_at": render_instant(probe.sent_at),
                "arrived_at": render_instant(probe.arrived_at),
                "address": probe.address,
            }
            for probe in findings.probes
        ],
        "coverage": [_source(source) for source in findings.coverage],
        "near_misses": [
            {
                "sha256": miss.sha256,
                "why": miss.why,
                "received_at": render_instant(miss.received_at),
                "from": miss.sender,
                "subject": miss.subject,
                "ticket": miss.ticket,
            }
            for miss in findings.near_misses
        ],
        "asked": {
            "from": render_instant(question.asked_from),
            "to": render_instant(question.asked_to),
        },
        "not_read": list(findings.not_read),
        "set_aside": list(findings.set_aside),
        "not_shown": list(verdict.not_shown),
        "next_commands": next_commands(findings, verdict),
        "words_to_send": letter(findings, verdict) or None,
    }


def _message(message: "MessageFound") -> dict[str, Any]:
    ticket = message.ticket
    return {
        "sha256": message.sha256,
        "received_at": render_instant(message.received_at),
        "received_from": message.received_from,
        "sent_at": render_instant(message.sent_at),
        "decision": message.decision,
        "ticket": None if ticket is None else ticket.number,
        "acknowledged_at": None if ticket is None else render_instant(ticket.acknowledged_at),
        "sightings": [
            {
                "mailbox": sighting.mailbox,
                "folder": sighting.folder,
                "uidvalidity": sighting.uidvalidity,
                "uid": sighting.uid,
                "internal_date": render_instant(sighting.internal_date),
                "first_seen_at": render_instant(sighting.first_seen_at),
                "gone_since": render_instant(sighting.gone_since),
                "in_junk": sighting.in_junk,
            }
            for sighting in message.sightings
        ],
    }


def _source(source: "SourceCoverage") -> dict[str, Any]:
    return {
        "source": source.source,
        "from": render_instant(source.spans[0][0]) if source.spans else None,
        "to": render_instant(source.spans[-1][1]) if source.spans else None,
        "complete": source.is_complete,
        "gaps": [_span(gap) for gap in source.gaps],
        "uid_gaps": [
            {
                "uidvalidity": gap.uidvalidity,
                "uids": [gap.uid_from, gap.uid_to],
                "after": render_instant(gap.after),
                "noticed_at": render_instant(gap.noticed_at),
                "reason": gap.reason,
            }
            for gap in source.uid_gaps
        ],
    }


def _span(span: "Span") -> dict[str, str | None]:
    return {"from": render_instant(span[0]), "to": render_instant(span[1])}
