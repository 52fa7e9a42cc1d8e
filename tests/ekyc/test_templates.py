"""Designs of the card as configuration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.settings import settings
from ekyc import templates
from ekyc.results import FIELDS

GOOD = (Path(templates.__file__).parent / "membership_old.toml").read_text(encoding="utf-8")


def write(folder: Path, content: str, name: str = "own.toml") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_both_designs_come_with_the_product() -> None:
    assert [one.name for one in templates.templates()][:2] == ["membership_old", "membership_new"]
    for one in templates.templates():
        assert set(FIELDS) <= set(one.labels.values())
        assert one.number.fullmatch("12345678")


@pytest.mark.parametrize(
    ("label", "field"),
    [
        ("Số TĐV", "card_number"),
        ("Họ tên", "full_name"),
        ("Ngày, tháng, năm sinh", "date_of_birth"),
        ("Quê quán", "home_town"),
        ("Ngày vào Hội", "joined_on"),
        ("Chính thức ngày", "official_on"),
        ("Nơi cấp", "issuer"),
        ("Ngày cấp", "issued_on"),
    ],
)
def test_the_labels_of_the_old_design(label: str, field: str) -> None:
    assert templates.templates()[0].labels[templates.plain(label)] == field


def test_a_folder_of_the_installation_adds_and_replaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, GOOD.replace('"membership_old"', '"ours"').replace("'\\d{8}'", "'\\d{10}'"), "membership_old.toml")
    monkeypatch.setattr(settings(), "ekyc_templates_dir", tmp_path)
    names = [one.name for one in templates.templates()]
    assert names == ["ours", "membership_new"]
    assert templates.templates()[0].number.fullmatch("1234567890")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "ekyc_templates_dir", tmp_path / "none")
    with pytest.raises(templates.TemplateError, match="EKYC_TEMPLATES_DIR"):
        templates.templates()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("card_number = ", "number_of_card = ", "must name exactly"),
        ('"Họ tên"', '"Quê quán"', "labels two fields"),
        ('"Họ tên"', '"..."', "list of texts"),
        ('dates = "dmy"', 'dates = "dd"', "order of d, m and y"),
        ("'\\d{8}'", "'(\\d{8}'", "pattern of digits"),
        ("[labels]", "[labels", "own.toml"),
    ],
)
def test_a_template_that_cannot_be_used_names_file_and_fault(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(templates.TemplateError, match=says) as caught:
        templates.read(write(tmp_path, GOOD.replace(old, new, 1)))
    assert str(caught.value).startswith("own.toml")


@pytest.mark.parametrize("order", ['["full_name", "full_name"]', '["surname"]', '"full_name"'])
def test_an_order_names_fields_once(tmp_path: Path, order: str) -> None:
    own = re.sub(r"order = \[.*\]", f"order = {order}", GOOD)
    assert own != GOOD
    with pytest.raises(templates.TemplateError, match="order"):
        templates.read(write(tmp_path, own))


def test_a_design_need_not_say_its_order(tmp_path: Path) -> None:
    assert templates.read(write(tmp_path, re.sub(r"order = \[.*\]", "", GOOD))).order == ()
