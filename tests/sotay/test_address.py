import socket
from pathlib import Path
from typing import Any

import pytest

from core.ports import free_port
from core.settings import Settings
from sotay import address
from sotay.address import StartError, addresses, check_port


def settings(folder: Path, **values: Any) -> Settings:
    return Settings(_env_file=None, SOTAY_DATA_DIR=folder, DATABASE_URL=None, CHROMA_URL=None, **values)  # type: ignore[call-arg]


def test_check_port() -> None:
    port = free_port()
    check_port("127.0.0.1", port)
    with socket.create_server(("127.0.0.1", port)), pytest.raises(StartError, match=f"Port {port} is already in use"):
        check_port("0.0.0.0", port)
    with pytest.raises(StartError, match=r"The address 203\.0\.113\.9:\d+ cannot be opened"):
        check_port("203.0.113.9", port)


def test_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address.tls, "network_addresses", lambda: ["10.0.0.7", "192.168.1.20"])
    assert addresses(settings(tmp_path)) == ["http://127.0.0.1:8000/"]
    assert addresses(settings(tmp_path, HOST="::1", PORT=9000)) == ["http://[::1]:9000/"]
    assert addresses(settings(tmp_path, HOST="0.0.0.0", TLS="self")) == [
        "https://127.0.0.1:8000/",
        "https://10.0.0.7:8000/",
        "https://192.168.1.20:8000/",
    ]
