from pathlib import Path

MANIFEST = (Path(__file__).parents[3] / "deploy" / "slack-manifest.yaml").read_text()


def test_the_app_asks_for_each_permission_that_it_uses():
    for scope in ("chat:write", "im:write", "commands", "usergroups:read", "channels:history"):
        assert f"- {scope} " in MANIFEST


def test_the_app_needs_no_open_port():
    assert "socket_mode_enabled: true" in MANIFEST
    assert "request_url" not in MANIFEST
    assert "command: /cpr" in MANIFEST
