"""What is installed is what is here: the lock, the wheel, and the way to the first command."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.builders import make_config

ROOT = Path(__file__).resolve().parent.parent


def locked_versions() -> dict[str, str]:
    """Return the version of each package in the lock."""
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", lock, re.MULTILINE))


def wanted_packages() -> list[Requirement]:
    """Return everything that pyproject.toml asks for, the build backend too."""
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = table["build-system"]["requires"] + table["project"]["dependencies"]
    for extra in table["project"]["optional-dependencies"].values():
        lines += extra
    found = [Requirement(line) for line in lines]
    return [one for one in found if one.name != table["project"]["name"]]


def test_the_lock_holds_all_that_the_project_asks_for() -> None:
    locked = {canonicalize_name(name): version for name, version in locked_versions().items()}
    wrong = [
        str(wanted)
        for wanted in wanted_packages()
        if not wanted.specifier.contains(locked.get(canonicalize_name(wanted.name), "0"))
    ]

    assert wrong == []


def test_every_locked_package_has_its_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in lock.splitlines() if line.strip()]

    assert [line for line in lines if "--hash=sha256:" not in line] == []


def test_installed_packages_fit_together() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    if "No module named pip" in done.stderr:
        pytest.skip("this environment was made without pip")

    assert done.returncode == 0, done.stdout


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The unpacked wheel, made without the network as an installation makes it."""
    from flit_core import buildapi

    monkeypatch.chdir(ROOT)
    name = buildapi.build_wheel(str(tmp_path))
    with zipfile.ZipFile(tmp_path / name) as archive:
        archive.extractall(tmp_path / "wheel")
    return tmp_path / "wheel"


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    """Migrations, pages and bundled mail are no Python modules and get lost easily."""
    listed = subprocess.run(
        ["git", "ls-files", "intake"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()

    lost = [name for name in listed if (ROOT / name).exists() and not (wheel / name).exists()]
    assert lost == []
    assert list(wheel.glob("*.dist-info/entry_points.txt"))


def test_the_wheel_alone_makes_key_and_database(wheel: Path, tmp_path: Path) -> None:
    config = make_config(tmp_path)

    done = subprocess.run(
        [sys.executable, "-m", "intake.cli.main", "--config", str(config.path), "init"],
        cwd=tmp_path, env={"PYTHONPATH": str(wheel)}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "archive.key").exists()
    assert (tmp_path / "intake.db").exists()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with only what the installation reads."""
    for name in ("scripts/install.sh", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def install(clone: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the installation with no more of an environment than is given."""
    return subprocess.run(
        ["/bin/sh", "scripts/install.sh"],
        cwd=clone, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_python_of_the_wrong_version_is_refused_by_name(clone: Path) -> None:
    old = clone / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)

    done = install(clone, PATH="/usr/bin:/bin", PYTHON=str(old))

    assert done.returncode == 1
    assert f"PYTHON={old} is not a Python 3.11, 3.12 or 3.13" in done.stderr
    assert not (clone / ".venv").exists()


def stand_ins(clone: Path, **programs: str) -> str:
    """Return a PATH with stand-ins for programs of the system, and the real ones of no effect."""
    folder = clone / "bin"
    folder.mkdir()
    for name, body in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    for name in ("sh", "cat", "cksum", "dirname", "grep", "env"):
        (folder / name).symlink_to(shutil.which(name) or name)
    return str(folder)


# Says that it is Debian's Python 3.11, and has no venv: `-c` with `ensurepip` fails.
DEBIAN_PYTHON = 'case "$2" in *ensurepip*) exit 1 ;; *) echo "/usr/bin/python3.none 3.11" ;; esac'


@pytest.mark.parametrize(
    ("sudo", "command"),
    [
        ({}, "su - -c 'apt-get update && apt-get install -y"),
        ({"sudo": "exit 1"}, "sudo sh -c 'apt-get update && apt-get install -y"),
    ],
    ids=["without sudo", "sudo asks for a password"],
)
def test_without_rights_the_one_command_is_named(
    clone: Path, sudo: dict[str, str], command: str
) -> None:
    path = stand_ins(clone, python3=DEBIAN_PYTHON, id="echo 1000", **{"apt-get": "exit 9"}, **sudo)

    done = install(clone, PATH=path)

    assert done.returncode == 1
    assert f"{command} --no-install-recommends python3.11-venv'" in done.stderr
    assert not (clone / ".venv").exists()
