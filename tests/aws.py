"""The surroundings in which boto3 looks for what it needs: a test's own, and nobody's account."""

import pytest


def pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that no provider knows, and no region."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
