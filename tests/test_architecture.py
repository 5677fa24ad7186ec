"""The house keeps its own rules: import directions, sources, and documents in step with the code."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
STEPS = ("mailbox", "archive", "evidence", "certificates", "tickets", "notices", "trace")
# Put together from pieces, so that this file does not name what it looks for.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pypi", "python"),
        ("files", "pythonhosted"),
        ("registry", "npmjs"),
        ("npmjs", "com"),
        ("proxy", "golang"),
        ("crates", "io"),
        ("deb", "debian", "org"),
        ("security", "debian", "org"),
    )
]


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return every file under version control that is still there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = (ROOT / name.decode() for name in listed.stdout.split(b"\0") if name)
    return tuple(path for path in paths if path.is_file())


def sources(folder: str) -> list[Path]:
    """Return the Python files of a folder."""
    return sorted((ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    """Return a path as people say it."""
    return str(path.relative_to(ROOT))


@cache
def tree_of(path: Path) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"))


def test_imports_go_one_way_and_what_decides_does_no_io() -> None:
    checker = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [checker, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_no_step_reads_the_clock() -> None:
    clocks = {"wall_clock", "standing_clock"}
    readers = [
        name_of(path)
        for step in STEPS
        for path in sources(f"intake/{step}")
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom)
        and node.module == "intake.clock"
        and clocks & {alias.name for alias in node.names}
    ]

    assert readers == []


def test_nothing_is_mocked() -> None:
    forbidden = {"mock", "unittest.mock", "pytest_mock"}
    found = [
        f"{name_of(path)}: {module}"
        for path in (*sources("intake"), *sources("tests"))
        if "mock" in path.read_text(encoding="utf-8")
        for node in ast.walk(tree_of(path))
        for module in imported_modules(node)
        if module in forbidden
    ]

    assert found == []


def imported_modules(node: ast.AST) -> set[str]:
    """Return what an import statement may bring in, by dotted names."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if isinstance(node, ast.ImportFrom) and node.module:
        return {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return set()


def test_no_file_names_a_package_registry() -> None:
    hosts = [host.encode() for host in REGISTRIES]
    found = [
        f"{name_of(path)}: {host.decode()}"
        for path in tracked_files()
        for host in hosts
        if host in path.read_bytes()
    ]

    assert found == []


def test_the_lock_holds_no_address_at_all() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")

    assert "://" not in lock
    assert (
        re.search(r"^\s*(-i|--index-url|--extra-index-url|-f|--find-links)\b", lock, re.MULTILINE)
        is None
    )


def test_every_source_that_the_code_cites_is_listed() -> None:
    listed = listed_sources()
    unknown = [
        f"{name_of(path)}: {citation}"
        for path in sources("intake")
        for citation in citations(path.read_text(encoding="utf-8"))
        if not citation.startswith(listed)
    ]

    assert unknown == []


def test_every_rfc_that_the_code_mentions_is_listed() -> None:
    listed = listed_sources()
    unknown = [
        f"{name_of(path)}: RFC {number}"
        for path in sources("intake")
        for number in re.findall(r"\bRFC (\d{3,5})\b", path.read_text(encoding="utf-8"))
        if f"RFC {number}" not in listed
    ]

    assert unknown == []


def listed_sources() -> tuple[str, ...]:
    """Return the names in the first column of docs/sources.md."""
    text = (ROOT / "docs/sources.md").read_text(encoding="utf-8")
    return tuple(re.findall(r"^\| *`([^`]+)` *\|", text, re.MULTILINE))


def citations(text: str) -> Iterator[str]:
    """Yield each document cited after `Source:`; bare section numbers belong to the one before."""
    for match in re.finditer(r"Source: (.+?)(?:\n\s*\n|\"\"\"|\Z)", text, re.DOTALL):
        for part in re.split(r"[;,]|\. ", " ".join(match[1].split())):
            citation = part.strip().rstrip(".")
            if citation and not re.match(r"[\d(§]|[A-Z]\.\d|and \d|to \d", citation):
                yield citation


def test_every_fixture_mail_has_its_expected_outcome() -> None:
    folder = ROOT / "fixtures/emails"
    mails = {path.stem for path in folder.glob("*.eml")}
    expected = {path.name.removesuffix(".expected.toml") for path in folder.glob("*.expected.toml")}

    assert mails == expected


@pytest.mark.parametrize("path", sources("tests/scenarios"), ids=name_of)
def test_every_scenario_says_what_it_shows(path: Path) -> None:
    silent = [
        node.name
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and ast.get_docstring(node) is None
    ]

    assert silent == []


def test_the_readme_tells_of_every_command() -> None:
    from intake.cli.main import build_parser

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (commands,) = (
        action.choices
        for action in build_parser()._actions
        if action.dest == "command" and action.choices is not None
    )

    assert [name for name in commands if f"intake {name}" not in readme] == []
    assert [line for line in ("make demo", "make test") if line not in readme] == []


def test_documents_link_to_what_is_there() -> None:
    documents = [
        ROOT / "README.md",
        *(ROOT / "docs").glob("*.md"),
        *(ROOT / "fixtures").rglob("*.md"),
    ]
    broken = [
        f"{name_of(path)}: {link}"
        for path in documents
        for link in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8"))
        if "://" not in link and not (path.parent / link).exists()
    ]

    assert broken == []


def test_the_example_configuration_shows_every_key() -> None:
    from intake.config import Config

    example = (ROOT / "config.example.toml").read_text(encoding="utf-8")
    missing = [
        key
        for key in keys_of(Config, "")
        if not re.search(rf"^[# ]*{re.escape(key.rpartition('.')[2])}\s*=", example, re.MULTILINE)
    ]

    assert missing == []


def keys_of(section: type, path: str) -> Iterator[str]:
    """Yield the dotted keys that a table of the configuration knows."""
    from intake.config import Secret, Section

    for name, field in section.model_fields.items():  # type: ignore[attr-defined]
        inner = section_in(field.annotation, Section)
        if inner is None:
            yield f"{path}{name}"
        elif issubclass(inner, Secret):
            yield f"{path}{name}_file"
        else:
            yield from keys_of(inner, f"{path}{name}.")


def section_in(annotation: object, base: type) -> type | None:
    """Return the table inside `Table`, `list[Table]` or `Table | None`."""
    if isinstance(annotation, type) and issubclass(annotation, base):
        return annotation
    inner = getattr(annotation, "__args__", ())
    return next((found for one in inner if (found := section_in(one, base))), None)


def test_the_scripts_can_be_run() -> None:
    for name, shell in ((".ci/run", "bash"), ("scripts/install.sh", "sh")):
        path = ROOT / name
        assert os.access(path, os.X_OK), name
        subprocess.run([shell, "-n", str(path)], check=True)
