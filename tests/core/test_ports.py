import socket
from pathlib import Path

from core import ports


def test_port_is_free() -> None:
    port = ports.free_port()
    assert ports.port_is_free(port) is True
    with socket.create_server(("127.0.0.1", port)):
        assert ports.port_is_free(port) is False


def test_kept_port_is_kept_while_it_is_free(tmp_path: Path) -> None:
    file = tmp_path / "port"
    port = ports.kept_port(file)
    assert 20_000 <= port < 32_000
    assert (ports.kept_port(file), file.read_text()) == (port, str(port))
    with socket.create_server(("127.0.0.1", port)):
        other = ports.kept_port(file)
    assert other != port
    assert ports.kept_port(file) == other
    file.write_text("not a number")
    assert ports.kept_port(file) == int(file.read_text())
