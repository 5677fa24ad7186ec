"""The log: one line for each unit of work, in two forms, and no mail text in any error."""

import io
import json
import logging
import threading

import pytest
from sqlalchemy.exc import OperationalError

from intake.errors import OutsideUnavailableError
from intake.logs import (
    JsonFormatter,
    LineFormatter,
    describe,
    log_thread_failure,
    log_work,
)

MAIL_TEXT = "the reporter's own words"


def logged(form: logging.Formatter) -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(form)
    logger = logging.Logger("intake.pipeline")  # noqa: LOG001 - apart from all others
    logger.addHandler(handler)
    return logger, stream


def fail_on_mail(logger: logging.Logger) -> None:
    try:
        try:
            int(MAIL_TEXT)
        except ValueError as error:
            raise KeyError(MAIL_TEXT) from error
    except KeyError:
        logger.exception("job %s failed", "process_message:1")


def test_a_unit_of_work_is_one_line_of_facts() -> None:
    logger, stream = logged(LineFormatter())

    log_work(
        logger, "message decided", message=17, ticket=None, decision="ticket", note="two words"
    )

    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line.endswith(
        'INFO intake.pipeline: message decided message=17 decision=ticket note="two words"\n'
    )


def test_in_the_journal_the_priority_stands_for_the_time() -> None:
    logger, stream = logged(LineFormatter(in_journal=True))

    logger.warning("something")

    assert stream.getvalue() == "<4>WARNING intake.pipeline: something\n"


def test_json_is_one_object_for_each_line() -> None:
    logger, stream = logged(JsonFormatter())

    log_work(logger, "mailbox read", mailbox="cps", new=3)
    fail_on_mail(logger)

    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["level"], first["event"], first["mailbox"], first["new"]) == (
        "INFO", "mailbox read", "cps", 3,
    )  # fmt: skip
    assert first["at"].endswith("Z")
    assert "KeyError at " in second["error"]


@pytest.mark.parametrize("form", [LineFormatter(), JsonFormatter()])
def test_an_error_shows_where_and_what_kind_but_not_its_words(form: logging.Formatter) -> None:
    logger, stream = logged(form)

    fail_on_mail(logger)

    assert MAIL_TEXT not in stream.getvalue()
    assert "KeyError at " in stream.getvalue()
    assert "caused by ValueError at " in stream.getvalue()
    assert "fail_on_mail" in stream.getvalue()
    assert stream.getvalue().count("\n") == 1


def test_nothing_in_a_line_begins_another_one() -> None:
    logger, stream = logged(LineFormatter())

    logger.info("folder %s", "x\r\n2026-01-01 CRITICAL fake\x1b[31m")
    log_work(logger, "read", folder="a\nb\u2028c")

    assert stream.getvalue().count("\n") == 2
    assert "\x1b" not in stream.getvalue()


def test_an_error_is_described_by_words_that_can_not_quote_mail() -> None:
    broken = OperationalError("INSERT", {"x": MAIL_TEXT}, Exception("database is locked"))

    assert describe(OutsideUnavailableError("it is away")) == "it is away (OutsideUnavailableError)"
    assert describe(OSError(28, "No space left on device")) == "No space left on device (OSError)"
    assert describe(broken) == "database is locked (OperationalError)"
    assert describe(ValueError(MAIL_TEXT)) == "ValueError"


def test_what_ends_a_thread_is_said_in_the_same_way(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError(MAIL_TEXT)
    thread = threading.Thread(name="polling")

    log_thread_failure(threading.ExceptHookArgs((ValueError, error, None, thread)))

    assert "the thread polling ended" in caplog.text
    [record] = caplog.records
    assert MAIL_TEXT not in LineFormatter().format(record)
