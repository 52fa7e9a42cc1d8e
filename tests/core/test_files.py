from pathlib import Path

from core import files


def test_trim_moves_a_long_log_aside(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    files.trim(log)
    with log.open("ab", buffering=0) as writer:
        writer.write(b"0123456789")
        files.trim(log, limit=10)
        assert log.read_bytes() == b"0123456789"
        files.trim(log, limit=4)
        writer.write(b"next")
    assert log.read_bytes() == b"next"
    assert (tmp_path / "a.log.1").read_bytes() == b"6789"


def test_write_private_replaces_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("a longer content")
    files.write_private(path, "mật khẩu")
    assert path.read_text() == "mật khẩu"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]
