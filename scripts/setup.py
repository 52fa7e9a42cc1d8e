#!/usr/bin/env python3
"""Set up both environments, the missing system packages and the search model. Safe to run again and again.

Runs on the system's Python (3.8 or later) with its standard library only, before anything is installed. What is
there already and unchanged is not touched; an interrupted set-up goes on where it was.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Dict, Iterator, List, Optional

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
UV = "uv==0.13.9"
NEEDED_GB = 6.0
BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
MAC_BROWSERS = ["/Applications/Google Chrome.app", "/Applications/Chromium.app"]


class SetupError(Exception):
    """The set-up cannot go on; the message, in both languages, says what to do."""


def say(text: str) -> None:
    """Progress goes to standard error."""
    print(text, file=sys.stderr, flush=True)


def data_dir() -> Path:
    """The data folder: SOTAY_DATA_DIR from the environment or ``.env``, else ``var/``."""
    value = os.environ.get("SOTAY_DATA_DIR", "")
    settings = ROOT / ".env"
    if not value and settings.exists():
        for line in settings.read_text(encoding="utf-8").splitlines():
            name, _, content = line.partition("=")
            if name.strip() == "SOTAY_DATA_DIR":
                value = content.strip().strip("\"'")
    return Path(value).expanduser().resolve() if value else ROOT / "var"


def run(command: List[str], environment: Optional[Dict[str, str]] = None) -> None:
    """Run a command with its output on standard error; raise ``SetupError`` if it fails."""
    result = subprocess.run(
        command, cwd=str(ROOT), stdin=subprocess.DEVNULL, stdout=sys.stderr.fileno(), env=environment, check=False
    )
    if result.returncode:
        words = " ".join(command)
        raise SetupError(f"Lệnh sau bị lỗi (mã {result.returncode}), xem thông báo ở trên: {words}\nFailed: {words}")


def succeeds(command: List[str]) -> bool:
    """Whether a command runs and ends with code 0; its output is dropped."""
    try:
        result = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
    except OSError:
        return False
    return result.returncode == 0


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Only one set-up of this folder at a time; another one waits."""
    descriptor = os.open(str(ROOT), os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Một lần cài đặt khác đang chạy, xin chờ … (another set-up is running: waiting)")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def check_system() -> None:
    """Linux or macOS on a processor that the wheels are made for."""
    if sys.platform not in ("linux", "darwin") or platform.machine() not in ("x86_64", "amd64", "arm64", "aarch64"):
        raise SetupError(
            "Sổ tay chạy trên Linux và macOS (x86-64 hoặc arm64).\n"
            f"Sổ tay runs on Linux and macOS, x86-64 and arm64, not on {sys.platform} {platform.machine()}."
        )


def check_disk() -> None:
    """Raise ``SetupError`` when the environments would not fit."""
    free = shutil.disk_usage(str(ROOT)).free / 1e9
    say(f"Đĩa còn trống {free:.1f} GB, cần khoảng {NEEDED_GB:.0f} GB (free disk space: {free:.1f} GB)")
    if free < NEEDED_GB:
        raise SetupError(
            f"Không đủ chỗ: đĩa chứa {ROOT} chỉ còn {free:.1f} GB, cần {NEEDED_GB:.0f} GB.\n"
            f"Not enough disk space in {ROOT}: {free:.1f} GB free, {NEEDED_GB:.0f} GB needed."
        )


def find_uv() -> str:
    """Find uv on the PATH or under the data folder; else install it there by pip."""
    own = data_dir() / "uv"
    for candidate in (shutil.which("uv"), str(own / "bin" / "uv")):
        if candidate and succeeds([candidate, "--version"]):
            return candidate
    say("Cài uv, công cụ quản lý gói (installing uv)")
    if own.exists():
        shutil.rmtree(str(own))
    own.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pip = [str(own / "bin" / "python"), "-m", "pip"]
    if succeeds([sys.executable, "-m", "venv", str(own)]) and succeeds([*pip, "--version"]):
        run([*pip, "install", "--quiet", UV])
    elif succeeds([sys.executable, "-m", "pip", "--version"]):
        shutil.rmtree(str(own), ignore_errors=True)
        run([sys.executable, "-m", "pip", "install", "--quiet", "--target", str(own), UV])
    elif install_packages(["python3-venv"]):
        return find_uv()
    else:
        raise SetupError(
            "Máy này thiếu pip và venv của Python. Hãy cài: sudo apt-get install python3-venv (hoặc cài uv)\n"
            "Python's pip and venv are missing: sudo apt-get install python3-venv (or install uv)"
        )
    return str(own / "bin" / "uv")


def install_packages(packages: List[str]) -> bool:
    """Install packages of the system where we may (root on Debian and its family); whether it was done."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    say(f"Cài gói hệ thống (installing system packages): {' '.join(packages)}")
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    try:
        run(command, environment)
    except SetupError:
        run(["apt-get", "update", "-qq"], environment)
        run(command, environment)
    return True


def text_recognition() -> List[str]:
    """The packages of Tesseract that are missing: the program, and what it knows of Vietnamese."""
    if sys.platform == "darwin":
        return [] if shutil.which("tesseract") else ["tesseract", "tesseract-lang"]
    if shutil.which("tesseract") is None:
        return ["tesseract-ocr", "tesseract-ocr-vie"]
    listed = subprocess.run(
        ["tesseract", "--list-langs"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        check=False,
    )
    return [] if "vie" in listed.stdout.split() else ["tesseract-ocr-vie"]


def system_packages(*, tests: bool) -> None:
    """What the system itself must bring; named in one line where we may not install it."""
    missing = []
    if sys.platform == "linux" and os.geteuid() == 0 and shutil.which("unshare") is None:
        missing.append("util-linux")
    browser = any(map(shutil.which, BROWSERS)) or any(Path(path).exists() for path in MAC_BROWSERS)
    if tests and not browser:
        missing.append("chromium")
    missing += text_recognition()
    if missing and not install_packages(missing):
        names = " ".join(missing)
        command = "brew install" if sys.platform == "darwin" else "sudo apt-get install"
        say(f"Cần thêm gói hệ thống (please install): {names}, ví dụ: {command} {names}")


def digest(files: List[Path]) -> str:
    """What a stamp is compared with: the content of the files."""
    state = hashlib.sha256()
    for file in files:
        state.update(file.read_bytes())
    return state.hexdigest()


class Environment:
    """A virtual environment of the installation and the stamps of what has been installed in it."""

    def __init__(self, folder: str, version: str) -> None:
        self.folder = ROOT / folder
        self.version = version
        self.python = self.folder / "bin" / "python"
        self.stamp_file = self.folder / "sotay-setup.json"

    def stamps(self) -> Dict[str, str]:
        """Name of a step to digest; empty for an environment that is missing, broken or of another version."""
        check = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{self.version}')"
        if not succeeds([str(self.python), "-c", check]):
            return {}
        try:
            content = json.loads(self.stamp_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {"made": ""}
        return {"made": "", **content}

    def stamp(self, name: str, value: str) -> None:
        """Record that a step is done."""
        stamps = {**self.stamps(), name: value}
        temporary = self.stamp_file.with_suffix(".tmp")
        temporary.write_text(json.dumps(stamps), encoding="utf-8")
        temporary.replace(self.stamp_file)

    def make(self, uv: str) -> None:
        """Create it anew with an interpreter of the right version (fetched by uv when the machine has none)."""
        if self.folder.exists():
            shutil.rmtree(str(self.folder))
        run([uv, "venv", "--quiet", "--no-project", "--python", self.version, str(self.folder)])

    def install(self, uv: str, arguments: List[str]) -> None:
        """Install packages; byte code is written now, so that the first start is as quick as the second."""
        run([uv, "pip", "install", "--python", str(self.python), "--compile-bytecode", *arguments])


class Step:
    """One list of pins to be installed in one environment."""

    def __init__(self, environment: Environment, name: str, label: str, options: Optional[List[str]] = None) -> None:
        self.environment = environment
        self.name = name
        self.label = label
        self.options = options or []
        self.pins = REQUIREMENTS / f"{name}.txt"

    def is_done(self) -> bool:
        """Whether exactly these pins have been installed."""
        return self.environment.stamps().get(self.name) == digest([self.pins])

    def do(self, uv: str) -> None:
        """Install the pins."""
        say(self.label)
        if "made" not in self.environment.stamps():
            self.environment.make(uv)
        self.environment.install(uv, [*self.options, "-r", str(self.pins)])
        self.environment.stamp(self.name, digest([self.pins]))


def install_project(environment: Environment, uv: str) -> None:
    """The command ``sotay``, pointing at this folder."""
    value = digest([ROOT / "pyproject.toml"]) + str(ROOT)
    script = environment.folder / "bin" / "sotay"
    if not script.exists() or environment.stamps().get("project") != value:
        environment.install(uv, ["--quiet", "--no-deps", "--reinstall", "--editable", str(ROOT)])
        environment.stamp("project", value)


def smoke_test(engine: Environment) -> None:
    """The engine's packages fit together (``rasa --version`` would not notice)."""
    value = digest([REQUIREMENTS / "engine.txt"])
    if engine.stamps().get("tested") == value:
        return
    say("Kiểm tra bộ hội thoại (checking the engine)")
    home = data_dir() / "engine"
    quiet = dict(
        os.environ, TF_CPP_MIN_LOG_LEVEL="3", RASA_TELEMETRY_ENABLED="false", SQLALCHEMY_SILENCE_UBER_WARNING="1"
    )
    quiet.update(KERAS_HOME=str(home / "keras"), MPLCONFIGDIR=str(home / "matplotlib"))
    run([str(engine.python), "-W", "ignore", "-c", "import rasa.model_training"], quiet)
    engine.stamp("tested", value)


def set_up(*, tests: bool) -> None:
    """Everything, in order; nothing that is done already is done again."""
    check_system()
    folder = data_dir()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    application, engine = Environment(".venv", "3.11"), Environment(".venv-engine", "3.10")
    name, label = ("dev", "ứng dụng và công cụ kiểm thử") if tests else ("app", "ứng dụng")
    steps = [
        Step(application, name, f"Cài {label} (installing the application, Python 3.11)"),
        Step(
            application,
            "assets",
            "Cài phần không kèm gói phụ thuộc (installing wheels without what they depend on)",
            ["--no-deps"],
        ),
        Step(engine, "engine", "Cài bộ hội thoại Rasa, khoảng 2,5 GB (installing the engine, Python 3.10)"),
    ]
    todo = [step for step in steps if not step.is_done()]
    system_packages(tests=tests)
    if any("made" not in step.environment.stamps() for step in todo):
        check_disk()
    uv = find_uv()
    for step in todo:
        step.do(uv)
    if tests:  # the application's pins are among those of the tests
        application.stamp("app", digest([REQUIREMENTS / "app.txt"]))
    install_project(application, uv)
    smoke_test(engine)
    build_model(application, folder)


def build_model(application: Environment, folder: Path) -> None:
    """The search model in the data folder, so that the first start need not build it."""
    settings = [path for path in (ROOT / ".env",) if path.exists()]
    sources = sorted((ROOT / "knowledge" / "search").glob("*.py"))
    value = digest([REQUIREMENTS / "app.txt", *sources, *settings]) + os.environ.get("SOTAY_EMBEDDING_MODEL", "")
    stamp = folder / "models" / "setup.stamp"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != value:
        run([str(application.python), "-m", "sotay.setup"], dict(os.environ, SOTAY_DATA_DIR=str(folder)))
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(value, encoding="utf-8")


def main() -> int:
    """Read the arguments; the exit code."""
    parser = argparse.ArgumentParser(description="Set up Sổ tay in this folder.")
    parser.add_argument("--tests", action="store_true", help="also what the tests, checks and benchmarks need")
    parser.add_argument("--print-uv", action="store_true", help="only find or install uv and print its path")
    arguments = parser.parse_args()
    try:
        with alone():
            if arguments.print_uv:
                print(find_uv())
            else:
                set_up(tests=arguments.tests)
    except SetupError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("\nĐã dừng; chạy lại lệnh để cài tiếp (interrupted: run it again to go on)")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
