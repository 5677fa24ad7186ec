"""The committed certificates are what their script makes."""

import importlib.util
from pathlib import Path

FIXTURES = Path(__file__).parents[3] / "fixtures"


def test_the_script_makes_every_file_again_byte_for_byte(tmp_path):
    spec = importlib.util.spec_from_file_location("maker", FIXTURES / "make_certificates.py")
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    maker.HERE = tmp_path
    maker.main()

    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    made.pop("compromised_encrypted.key")  # its salt is random
    assert len(made) > 30
    for name, content in made.items():
        assert content == (FIXTURES / "certificates" / name).read_bytes(), name


def test_every_file_stands_in_the_readme():
    readme = (FIXTURES / "certificates" / "README.md").read_text()
    for path in (FIXTURES / "certificates").iterdir():
        if path.is_file() and path.name != "README.md":
            assert f"`{path.name}`" in readme or f"`{path.stem}`" in readme, path.name
