"""What the measurements stand on: the mailbox they generate, and how they count."""

import os
import re
import subprocess
import sys
import time

from benchmarks.generate import generate
from benchmarks.look_up import Archive, make_archive
from benchmarks.measure import at_most, cpu_of_family, family, interleaved, ratio, run_program
from intake.archive.message_id import ids_in, normalise, scan_message_ids
from intake.archive.search import messages_with_id
from intake.config import load_config
from intake.database import open_database
from intake.trace.gather import gather
from intake.trace.verdict import judge
from tests.builders import NOW

COUNT = 400


def test_the_same_mailbox_can_be_generated_again():
    assert list(generate(50, seed=7)) == list(generate(50, seed=7)) != list(generate(50, seed=8))


def test_generated_mail_is_as_large_and_as_mixed_as_was_promised():
    mails = list(generate(COUNT))
    share = {
        "bulk": sum(b"\r\nList-Unsubscribe: " in one for one in mails) / COUNT,
        "reports": sum(b"https://crt.sh/" in one for one in mails) / COUNT,
    }

    assert 18_000 < sum(map(len, mails)) / COUNT < 24_000
    assert 0.5 < share["bulk"] < 0.7
    assert 0.06 < share["reports"] < 0.14
    assert len({scan_message_ids(one)[0] for one in mails}) == COUNT
    assert all(re.search(rb"(?<!\r)\n", one) is None for one in mails)


def test_hostile_references_name_other_messages_of_the_mailbox():
    mails = list(generate(COUNT, hostile_references=True))
    there = {normalise(scan_message_ids(one)[0]) for one in mails}
    references = re.search(rb"\r\nReferences: (.*?)\r\n(?! )", mails[-1], re.DOTALL)
    assert references is not None
    named = [normalise(one) for one in ids_in(references[1].decode())]

    assert len(named) > 30
    assert set(named) <= there


def test_ids_that_are_looked_up_are_in_the_made_up_archive(tmp_path):
    archive = make_archive(tmp_path / "x", 200)
    database = open_database(f"sqlite:///{archive.folder}/intake.db")
    config = load_config(archive.folder / "config.toml")

    with database.read() as session:
        for wanted in Archive(archive.folder, 200).ids(20, seed=1):
            assert len(messages_with_id(session, wanted)) == 1
            found = gather(session, wanted, mailboxes=config.mailbox, now=NOW)
            assert judge(found).is_there
    database.close()


def test_the_processor_time_of_children_counts():
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    before = cpu_of_family(os.getpid())
    process = subprocess.Popen([sys.executable, "-c", f"{spin}\nimport time; time.sleep(60)"])
    try:
        assert process.pid in family(os.getpid())
        deadline = time.monotonic() + 20
        while cpu_of_family(os.getpid()) - before < 0.25:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()

    assert cpu_of_family(os.getpid()) - before >= 0.25, "also when it has ended"
    assert run_program(sys.executable, "-c", spin).cpu >= 0.29


def test_turns_are_taken_in_both_orders():
    order = []

    interleaved(3, lambda: order.append("a"), lambda: order.append("b"))

    assert "".join(order) == "abbaab"


def test_what_misses_its_bound_is_said():
    assert at_most("x", 0.31, 0.3, 0.1, "ms").holds is False
    assert ratio("x", 1.2, 1.2, 1.05).holds is True
