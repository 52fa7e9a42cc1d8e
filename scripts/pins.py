#!/usr/bin/env python3
"""Resolve ``requirements/*.in`` to the pins in ``requirements/*.txt``, without addresses or hashes.

Each list is resolved for every supported platform; a pin that not all of them need carries a marker. The pins that
are there are kept where they still fit; ``--upgrade`` takes the newest.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Dict, List, Set

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
PLATFORMS = {
    "x86_64-manylinux_2_28": "sys_platform == 'linux' and platform_machine == 'x86_64'",
    "aarch64-manylinux_2_28": "sys_platform == 'linux' and platform_machine == 'aarch64'",
    "aarch64-apple-darwin": "sys_platform == 'darwin' and platform_machine == 'arm64'",
    "x86_64-apple-darwin": "sys_platform == 'darwin' and platform_machine == 'x86_64'",
}
SYSTEMS = {"sys_platform == 'linux'": 0, "sys_platform == 'darwin'": 2}


def uv() -> str:
    """The path of uv, installed if it is missing."""
    command = [sys.executable, str(ROOT / "scripts" / "setup.py"), "--print-uv"]
    return subprocess.run(command, stdout=subprocess.PIPE, universal_newlines=True, check=True).stdout.strip()


def resolve(name: str, python: str, platform: str, folder: Path, options: List[str]) -> Set[str]:
    """The pins of one list for one platform."""
    output = folder / f"{name}.{platform}.txt"
    kept = REQUIREMENTS / f"{name}.txt"
    if kept.exists() and "--upgrade" not in options:
        lines = (line.split(";")[0].strip() for line in kept.read_text(encoding="utf-8").splitlines())
        output.write_text("\n".join(dict.fromkeys(lines)) + "\n", encoding="utf-8")  # uv prefers what is in the file
    command = [uv(), "pip", "compile", "--quiet", "--python-version", python, "--python-platform", platform]
    command += ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links", *options]
    subprocess.run(
        [*command, str(REQUIREMENTS / f"{name}.in"), "-o", str(output)],
        cwd=str(folder),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return {line.strip() for line in output.read_text(encoding="utf-8").splitlines() if line.strip()}


def marker(platforms: List[str]) -> str:
    """The marker that selects exactly these platforms; empty for all of them."""
    names = list(PLATFORMS)
    parts: List[str] = []
    for system, first in SYSTEMS.items():
        pair = names[first : first + 2]
        here = [platform for platform in pair if platform in platforms]
        parts += [system] if here == pair else [PLATFORMS[platform] for platform in here]
    if len(platforms) == len(PLATFORMS):
        return ""
    return parts[0] if len(parts) == 1 else " or ".join(f"({part})" if " and " in part else part for part in parts)


def compile_pins(name: str, python: str, folder: Path, options: List[str]) -> None:
    """Write one list of pins."""
    needed: Dict[str, List[str]] = {}
    for platform in PLATFORMS:
        for pin in resolve(name, python, platform, folder, options):
            needed.setdefault(pin, []).append(platform)
    lines = []
    for pin in sorted(needed):
        if "://" in pin or "@" in pin or pin.startswith("-"):
            sys.exit(f"requirements/{name}.txt: a pin with an address: {pin}")
        condition = marker(needed[pin])
        lines.append(f"{pin} ; {condition}" if condition else pin)
    (REQUIREMENTS / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"requirements/{name}.txt: {len(lines)} pins", file=sys.stderr)


def main() -> None:
    """Compile all lists."""
    parser = argparse.ArgumentParser(description="Resolve requirements/*.in to requirements/*.txt.")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []
    same = ["--constraints", str(REQUIREMENTS / "dev.txt")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compile_pins("dev", "3.11", folder, upgrade)
        compile_pins("app", "3.11", folder, [*upgrade, *same])
        compile_pins("neural", "3.11", folder, [*upgrade, *same])
        compile_pins("engine", "3.10", folder, upgrade)
    # requirements/assets.txt is a list of its own: wheels without what they depend on.


if __name__ == "__main__":
    main()
