"""Configuration: what is valid, and what a person is told about what is not."""

import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from intake.config import Config, Secret, load_config, render_duration, require_files
from intake.config.problems import _keys_of
from intake.config.sections import Section
from intake.errors import ConfigError

CONTRACT = """
[database]
url = "sqlite:///intake.db"
[archive]
key_file = "archive.key"
[[mailbox]]
name = "cps"
addresses = ["cps@ca.example"]
host = "imap.ca.example"
port = 993
security = "tls"
username = "cps"
password_file = "cps.password"
our_hosts = ["mx1.ca.example", "10.0.0.0/8"]
[slack]
bot_token_file = "slack-bot.token"
app_token_file = "slack-app.token"
channel = "C0123456789"
responders = ["U0ALICE", "S0ALL"]
on_call = ["S0ONCALL"]
managers = ["U0MIRA", "U0NOAH"]
[crtsh]
base_url = "https://crt.sh/"
[certificates]
issuing_cas = ["issuing/*.pem"]
"""
OPTIONAL = """
[service]
testing = false
[[escalation.step]]
after = "24h"
to = ["channel", "on_call", "managers"]
every = "1h"
[smtp]
host = "localhost"
port = 25
security = "none"
sender = "cpr-intake@ca.example"
fallback_to = ["oncall@ca.example"]
"""
EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Config]:
    """Load a text as the configuration of the test's folder."""

    def load_text(text: str) -> Config:
        (tmp_path / "config.toml").write_text(text, encoding="utf-8")
        return load_config(tmp_path / "config.toml")

    return load_text


def test_the_keys_of_the_contract_without_the_optional_ones_are_valid(
    load: Callable[[str], Config], tmp_path: Path
) -> None:
    config = load(CONTRACT)

    assert config.database.url == f"sqlite:///{tmp_path}/intake.db"
    assert config.archive.key == Secret(file=tmp_path / "archive.key", key="archive.key_file")
    assert config.mailbox[0].poll_every == timedelta(seconds=60)
    assert [render_duration(step.after) for step in config.escalation.step] == [
        "1h", "4h", "12h", "18h", "22h", "24h",
    ]  # fmt: skip
    assert config.smtp is None


def test_the_keys_of_the_contract_with_the_optional_ones_are_valid(
    load: Callable[[str], Config],
) -> None:
    text = CONTRACT.replace(
        'password_file = "cps.password"',
        'password_file = "cps.password"\nca_file = "ca.pem"\njunk_folders = ["Junk"]\n'
        'skip_folders = []\nwatch_from = "2026-11-24T00:00:00Z"\npoll_every = "60s"',
    )

    config = load(text + OPTIONAL)

    assert config.mailbox[0].watch_from == datetime(2026, 11, 24, tzinfo=UTC)
    assert config.recipients(config.escalation.step[0]) == [
        "C0123456789", "S0ONCALL", "U0MIRA", "U0NOAH",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('url = "sqlite:///intake.db"', 'url = "mysql://x/y"', "database.url", "is no database"),
        ('port = 993', 'port = "993"', "mailbox[0].port", "must be a whole number"),
        ('port = 993', "port = 70000", "mailbox[0].port", "must be at most 65535"),
        ('port = 993', "prot = 993", "mailbox[0].prot", "did you mean port?"),
        ('"tls"', '"ssl"', "mailbox[0].security", "one of 'tls', 'starttls' or 'none'"),
        ('"tls"', '"none"', "mailbox[0].security", "in clear text to imap.ca.example"),
        ('host = "imap.ca.example"\n', "", "mailbox[0].host", "(missing): is required"),
        ('name = "cps"', 'name = ""', "mailbox[0].name", "must not be empty"),
        ('["cps@ca.example"]', '["cps"]', "mailbox[0].addresses[0]", "is no mail address"),
        ('["cps@ca.example"]', '"cps@ca.example"', "mailbox[0].addresses", "must be a list"),
        ('"10.0.0.0/8"', '"10.0.0.0/99"', "mailbox[0].our_hosts[1]", "is no address and no network"),
        ('port = 993', 'poll_every = "2h"', "mailbox[0].poll_every", "must be between 1s and 1h"),
        ('port = 993', 'poll_every = "0s"', "mailbox[0].poll_every", "must be between 1s and 1h"),
        ('port = 993', 'poll_every = "often"', "mailbox[0].poll_every", "is not a duration"),
        ('port = 993', 'poll_every = "999999999d"', "mailbox[0].poll_every", "between 1s and 1h"),
        ('port = 993', 'watch_from = "2026-11-24T00:00"', "mailbox[0].watch_from", "no offset"),
        ('port = 993', 'watch_from = "soon"', "mailbox[0].watch_from", "is not an instant"),
        ('port = 993', 'junk_folders = ["J"]\nskip_folders = ["j"]', "mailbox[0].skip_folders", "is a junk folder"),
        ('password_file = "cps.password"\n', "", "mailbox[0].password_file", "is required"),
        ('password_file = "cps.password"', "password_file = 7", "mailbox[0].password_file", "path of a file"),
        ('app_token_file = "slack-app.token"', 'app_token_file = "a"\napp_token_env = "A"', "slack.app_token_file", "both set"),
        ('channel = "C0123456789"', "", "slack.channel", "is required"),
        ('channel = "C0123456789"', 'channel = "C1"\nbase_url = "http://slack.example/"', "slack.base_url", "in clear text"),
        ('"https://crt.sh/"', '"crt.sh"', "crtsh.base_url", "is no web address"),
        ('["U0ALICE", "S0ALL"]', "[]", "slack.responders", "must not be empty"),
        ("[crtsh]", "[crtsch]", "crtsch", "did you mean crtsh?"),
        ("[[mailbox]]", "[mailbox]", "mailbox", "[[mailbox]]"),
        ("[crtsh]", "[service]\ntesting = 1\n[crtsh]", "service.testing", "must be true or false"),
    ],
)  # fmt: skip
def test_a_fault_names_key_rule_and_fix(
    load: Callable[[str], Config], old: str, new: str, key: str, words: str
) -> None:
    assert old in CONTRACT

    with pytest.raises(ConfigError) as caught:
        load(CONTRACT.replace(old, new, 1))

    lines = str(caught.value).splitlines()
    assert any(line.startswith(f"{key} = ") and words in line for line in lines), lines
    assert all(". Fix: " in line or "? Fix: " in line or "Fix: " in line for line in lines)
    assert caught.value.exit_status == 3


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([("20h", '["on_call", "managers"]')], "ends at 20h: the escalation chain ends before 24"),
        ([("30h", '["on_call", "managers"]')], "no escalation step comes within 24 hours"),
        ([("24h", '["channel", "U0MIRA"]')], "reaches one person only"),
        ([("24h", '["channel"]')], "reaches no person, only a channel"),
        ([("24h", '["mira"]')], "escalation.step[0].to = 'mira': is nobody"),
        ([("24h", '["managers", "mailto:x@ca.example"]')], "there is no [smtp]"),
        ([("late", '["managers"]')], "escalation.step[0].after = 'late': is not a duration"),
        ([("24h", '["managers"]\nevery = "10s"')], "escalation.step[0].every = '10s'"),
        ([("24h", "[]")], "escalation.step[0].to = []: must not be empty"),
    ],
)
def test_a_chain_that_would_leave_a_report_alone_is_refused(
    load: Callable[[str], Config], steps: list[tuple[str, str]], words: str
) -> None:
    chain = "".join(f'[[escalation.step]]\nafter = "{after}"\nto = {to}\n' for after, to in steps)

    with pytest.raises(ConfigError, match=re.escape(words)):
        load(CONTRACT + chain)


def test_a_default_step_that_reaches_nobody_is_refused(load: Callable[[str], Config]) -> None:
    with pytest.raises(ConfigError, match="the step after 18h reaches nobody"):
        load(CONTRACT.replace('on_call = ["S0ONCALL"]', "on_call = []"))


def test_the_same_person_twice_is_one_person(load: Callable[[str], Config]) -> None:
    text = CONTRACT.replace('["S0ONCALL"]', '["U0MIRA"]').replace(', "U0NOAH"', "")

    with pytest.raises(ConfigError, match="reaches one person only"):
        load(text)


def test_two_mailboxes_of_one_name_are_refused(load: Callable[[str], Config]) -> None:
    mailbox = CONTRACT[CONTRACT.index("[[mailbox]]") : CONTRACT.index("[slack]")]

    with pytest.raises(ConfigError, match=r"mailbox\[1\]\.name = 'cps': is the name of two"):
        load(CONTRACT.replace("[slack]", mailbox + "[slack]"))


def test_every_fault_is_told_at_once(load: Callable[[str], Config]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(CONTRACT.replace("port = 993", "port = 0").replace("[crtsh]", "[crtsh]\nurl = 1"))

    assert {problem.key for problem in caught.value.problems} == {"mailbox[0].port", "crtsh.url"}


@pytest.mark.parametrize("where", ["password", "token"])
def test_a_secret_in_the_configuration_is_refused_and_not_repeated(
    load: Callable[[str], Config], where: str
) -> None:
    text = CONTRACT.replace('password_file = "cps.password"', f'{where} = "hunter2"')

    with pytest.raises(ConfigError) as caught:
        load(text)

    assert "hunter2" not in str(caught.value)


def test_a_password_in_the_address_of_the_database_is_not_repeated(
    load: Callable[[str], Config],
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(CONTRACT.replace("sqlite:///intake.db", "postgres://intake:hunter2@db/intake"))

    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_not_toml_is_named_with_the_line(load: Callable[[str], Config]) -> None:
    with pytest.raises(ConfigError, match=r"is not TOML: .*line 2"):
        load("[database]\nurl = = 1\n")


def test_bytes_that_are_not_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe[")

    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(tmp_path / "config.toml")


def test_an_invented_clock_that_is_no_instant_is_refused_where_testing_is_on(
    load: Callable[[str], Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTAKE_NOW", "2017-08-13 04:45")
    load(CONTRACT)

    with pytest.raises(ConfigError, match=r"\$INTAKE_NOW = '2017-08-13 04:45'"):
        load(CONTRACT + "[service]\ntesting = true\n")


def test_a_secret_may_come_from_the_environment(
    load: Callable[[str], Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = CONTRACT.replace('password_file = "cps.password"', 'password_env = "CPS_PASSWORD"')
    password = load(text).mailbox[0].password

    monkeypatch.setenv("CPS_PASSWORD", "secret\n")

    assert password.read() == "secret"
    monkeypatch.delenv("CPS_PASSWORD")
    with pytest.raises(ConfigError, match=r"mailbox\[0\]\.password_env = \$CPS_PASSWORD: is empty"):
        password.read()


def test_a_secret_may_come_from_a_systemd_credential_of_the_same_name(
    load: Callable[[str], Config], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "cps.password").write_text("from systemd\n", encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))

    assert load(CONTRACT).mailbox[0].password.read() == "from systemd"


def test_a_required_secret_that_is_not_named_may_be_a_systemd_credential(
    load: Callable[[str], Config], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bot_token_file").write_text("xoxb-1", encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))

    config = load(CONTRACT.replace('bot_token_file = "slack-bot.token"\n', ""))

    assert config.slack.bot_token.read() == "xoxb-1"


def test_files_that_are_not_there_are_all_named(load: Callable[[str], Config]) -> None:
    with pytest.raises(ConfigError) as caught:
        require_files(load(CONTRACT))

    assert [problem.key for problem in caught.value.problems] == [
        "archive.key_file",
        "mailbox[0].password_file",
        "slack.bot_token_file",
        "slack.app_token_file",
        "certificates.issuing_cas[0]",
    ]


def test_only_the_files_that_are_asked_for_are_needed(
    load: Callable[[str], Config], tmp_path: Path
) -> None:
    config = load(CONTRACT)
    (tmp_path / "archive.key").write_text("00", encoding="utf-8")

    require_files(config, ["archive"])


def test_an_empty_secret_is_refused(load: Callable[[str], Config], tmp_path: Path) -> None:
    (tmp_path / "cps.password").write_text("\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"cps\.password: is empty or not set"):
        load(CONTRACT).mailbox[0].password.read()


def make_named_files(folder: Path) -> None:
    for name in ("archive.key", "cps.password", "slack-bot.token", "slack-app.token", "ca.pem"):
        (folder / name).write_text("x", encoding="utf-8")
    (folder / "smtp.password").write_text("x", encoding="utf-8")
    (folder / "issuing").mkdir()
    (folder / "issuing" / "one.pem").write_text("x", encoding="utf-8")


def test_the_example_loads_as_it_stands_and_its_files_are_enough(
    load: Callable[[str], Config], tmp_path: Path
) -> None:
    make_named_files(tmp_path)

    require_files(load(EXAMPLE.read_text(encoding="utf-8")))


def test_the_example_loads_with_every_line_switched_on(
    load: Callable[[str], Config], tmp_path: Path
) -> None:
    make_named_files(tmp_path)

    require_files(load(all_lines(EXAMPLE.read_text(encoding="utf-8"))))


def test_the_example_shows_every_key() -> None:
    text = all_lines(EXAMPLE.read_text(encoding="utf-8"))
    shown = set(re.findall(r"^(\w+) =", text, re.MULTILINE)) | set(tomllib.loads(text))
    sections = [one for one in Section.__subclasses__() if one not in {Secret, Config}]
    known = {key for one in sections for key in _keys_of(one) if not key.endswith("_env")}

    assert known - {"step"} <= shown


def all_lines(text: str) -> str:
    """Return the example with the commented keys and tables switched on."""
    return re.sub(r"^# (\w+ = |\[)", r"\1", text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "url", ["https://pkimet.al/", "https://dev.pkimet.al", "http://x@PKIMET.AL.:80/"]
)
def test_the_public_pkimetal_is_refused(load: Callable[[str], Config], url: str) -> None:
    with pytest.raises(ConfigError, match=r"linters\.pkimetal_url") as caught:
        load(f'{CONTRACT}\n[linters]\npkimetal_url = "{url}"\n')

    assert "run pkimetal yourself" in caught.value.problems[0].fix


def test_what_is_configured_must_have_looked_at_a_certificate(
    load: Callable[[str], Config],
) -> None:
    from intake.certificates.linters import ALWAYS, required_linters

    text = '[linters]\npkimetal_url = "http://localhost:8080/"\nzlint = "zlint"\n'
    every = load(f"{CONTRACT}\n{text}badkeys_blocklist = true\n").linters

    assert required_linters(load(CONTRACT).linters) == set(ALWAYS)
    assert required_linters(every) == {*ALWAYS, "pkimetal", "zlint", "badkeys-blocklist"}
