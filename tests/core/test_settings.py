"""What stands in the environment becomes a setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.settings import Settings

OPTIONAL = [
    ("keys_dir", "SOTAY_KEYS_DIR"),
    ("oidc_client_secret_file", "SOTAY_OIDC_CLIENT_SECRET_FILE"),
    ("ekyc_tessdata_dir", "EKYC_TESSDATA_DIR"),
    ("ekyc_templates_dir", "EKYC_TEMPLATES_DIR"),
    ("ekyc_model_dir", "EKYC_MODEL_DIR"),
    ("ekyc_second_recogniser", "EKYC_SECOND_RECOGNISER"),
    ("ekyc_passive_model", "EKYC_PASSIVE_MODEL"),
]


@pytest.mark.parametrize(("field", "name"), OPTIONAL)
def test_a_path_that_is_left_empty_is_not_the_working_folder(
    field: str, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, "")
    assert getattr(Settings(_env_file=None), field) is None  # type: ignore[call-arg]
    monkeypatch.setenv(name, str(tmp_path / "x"))
    assert getattr(Settings(_env_file=None), field) == tmp_path.resolve() / "x"  # type: ignore[call-arg]
