"""What the documentation lists is what the code has: nothing undocumented, nothing documented that is gone."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer
from fastapi.routing import APIRoute

from admin import base, console, imports, sign_in
from core import events
from core.settings import ROOT, Settings
from members.access import PERMISSIONS, ROLE_NAMES, Permission, Role
from members.importing import HEADINGS
from sotay import cli, worker
from sotay.app import create_app

DOCS = ROOT / "docs"
COMMANDS = DOCS / "reference" / "commands.md"
SETTINGS = DOCS / "reference" / "settings.md"
CHAT_API = DOCS / "reference" / "chat-api.md"
WIDGET = DOCS / "reference" / "widget.md"
CONSOLE = DOCS / "how-to" / "console.md"
DEPENDENCIES = DOCS / "dependencies.md"
ARCHITECTURE = DOCS / "architecture.md"
IN_DEPENDENCIES_ONLY = {"hatchling"}
"""Named in running text: the build system of pyproject.toml, not a requirement."""


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def first_cells(text: str) -> list[str]:
    """The first cell of every row of every table, without the rows of headings and rules."""
    rows = [line.strip() for line in text.splitlines()]
    return [
        row.split("|")[1].strip()
        for number, row in enumerate(rows)
        if row.startswith("|")
        and not row.startswith("|---")
        and not (number + 1 < len(rows) and rows[number + 1].startswith("|---"))
    ]


def sections(text: str) -> dict[str, str]:
    """Heading of the second level -> what stands below it."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


# Settings


def test_every_setting_is_documented_with_its_default_and_nothing_else_is() -> None:
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| ([^|]+) \|", read(SETTINGS), flags=re.MULTILINE)
    documented = {name: default.strip() for name, default in rows}
    fields = {field.alias: field.default for field in Settings.model_fields.values()}
    assert set(documented) == set(fields)
    shown = {True: "yes", False: "no", None: "trống"}
    for name, default in fields.items():
        if isinstance(default, Path):
            assert documented[str(name)].startswith(f"`{default.relative_to(ROOT)}`")
        elif not isinstance(default, list):
            value = str(shown.get(default, default))
            assert documented[str(name)].strip("`") == value, name


# Commands


def walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    children = getattr(command, "commands", None)
    if children is None:
        yield " ".join(path), command
        return
    for name, child in children.items():
        yield from walk(child, (*path, name))


def options(command: Any) -> set[str]:
    return {name for entry in command.params for name in entry.opts if name.startswith("--")} - {"--help"}


def test_every_command_and_option_is_documented_and_nothing_else_is() -> None:
    found = {name: options(command) for name, command in walk(typer.main.get_command(cli.app))}
    documented = {}
    for heading, body in sections(read(COMMANDS)).items():
        named = re.fullmatch(r"`sotay ([a-z -]+?)((?: \[?[A-Z]+…?\]?(?:\.[a-z]+)?)*)`", heading)
        if named:
            documented[named[1]] = {
                option for cell in first_cells(body) for option in re.findall(r"`(--[a-z-]+)`", cell)
            }
    assert documented == found


def test_the_commands_that_the_guides_show_exist() -> None:
    known = {name for name, _ in walk(typer.main.get_command(cli.app))}
    for path in markdown_files():
        for words in re.findall(r"\.venv/bin/sotay ([a-z]+(?: [a-z][a-z-]*)?)", read(path)):
            assert words in known or words.split()[0] in known, f"{path.relative_to(ROOT)}: sotay {words}"


def test_every_make_target_is_documented_and_nothing_else_is() -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):(?!=)", read(ROOT / "Makefile"), flags=re.MULTILINE))
    documented = {target for cell in first_cells(read(COMMANDS)) for target in re.findall(r"`make ([a-z-]+)`", cell)}
    assert documented == targets
    for path in markdown_files():
        used = set(re.findall(r"(?:`|^\s*)make ([a-z][a-z-]*)", read(path), flags=re.MULTILINE))
        assert used <= targets, path.relative_to(ROOT)


# The chat's HTTP interface


def test_every_route_is_documented_and_nothing_else_is() -> None:
    api = create_app().openapi()
    routes = {f"{method.upper()} {path}" for path, methods in api["paths"].items() for method in methods}
    documented = {heading.strip("`") for heading in sections(read(CHAT_API)) if heading.startswith("`")}
    assert documented == routes


def test_every_refusal_is_documented_and_nothing_else_is() -> None:
    source = read(ROOT / "channels" / "widget.py")
    codes = set(re.findall(r'Refusal\(\s*\d+, "(\w+)"', source))
    codes |= set(re.findall(r'MessageRefused\(\s*"(\w+)"', read(ROOT / "messaging" / "inbox.py")))
    body = sections(read(CHAT_API))["`POST /api/chat/messages`"]
    rows = re.findall(r"^\| \d{3} \| ([^|]+) \|", body, flags=re.MULTILINE)
    assert {code for row in rows for code in re.findall(r"`(\w+)`", row)} == codes


# The widget


def test_every_attribute_and_variable_of_the_widget_is_documented_and_nothing_else_is() -> None:
    script = read(ROOT / "web" / "static" / "sotay-chat.js")
    styles = read(ROOT / "web" / "static" / "sotay-chat.css")
    attributes = set(re.findall(r'this\.getAttribute\("([\w-]+)"\)', script)) | set(
        re.findall(r":host\(\[(\w+)=", styles)
    )
    variables = set(re.findall(r"var\((--sotay-[\w-]+)", styles))
    parts = sections(read(WIDGET))
    assert {cell.strip("`") for cell in first_cells(parts["Biến CSS (đặt trên thẻ)"])} == variables
    described = next(body for heading, body in parts.items() if heading.startswith("Thuộc tính"))
    assert {cell.strip("`") for cell in first_cells(described)} == attributes


# The console


def test_every_page_of_the_console_is_described_and_nothing_else_is() -> None:
    paths = {
        route.path
        for router in (*console.PAGES, sign_in.router)
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in (route.methods or ())
    }
    capabilities = {f"{base.PREFIX}/{path.split('/')[1]}" if path else base.PREFIX for path in paths}
    headings = re.findall(r"^## (.+) \(`(/admin[a-z/-]*)`\)$", read(CONSOLE), flags=re.MULTILINE)
    titles = {path: title for title, path in headings}
    menu = {base.PREFIX + entry.path: entry.title for entry in base.MENU}
    described = (capabilities | set(menu)) - {f"{base.PREFIX}/choices"}  # which proposes units to fields of the others
    assert set(titles) == described
    assert {path: titles[path] for path in menu} == menu


def test_the_table_of_roles_says_what_each_may_do() -> None:
    body = sections(read(CONSOLE))["Tài khoản và vai trò (`/admin/accounts`)"]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines() if line[:1] == "|"]
    role_of = {name: role for role, name in ROLE_NAMES.items()}
    columns = {role_of[name]: place for place, name in enumerate(rows[0]) if place > 1}
    allowed: dict[Role, set[str]] = {role: set() for role in columns}
    for row in rows[2:]:
        for role, place in columns.items():
            assert row[place] in ("✓", "")
            if row[place]:
                allowed[role].add(row[0].strip("`"))
    assert [row[0].strip("`") for row in rows[2:]] == [permission.value for permission in Permission]
    assert allowed == {role: {permission.value for permission in PERMISSIONS[role]} for role in columns}
    for role in set(Role) - set(columns):
        assert not PERMISSIONS[role]
        assert f"“{ROLE_NAMES[role]}”" in body


def codes_said(path: Path, calls: Mapping[str, int]) -> set[str]:
    """The codes that a module gives to *calls* (name of the function → place of the code among its arguments).

    A code that is no literal comes from another problem (``error.code``) or from a table that a loop goes through.
    """
    found: set[str] = set()

    def places(node: ast.AST) -> Iterator[ast.expr]:
        for call in ast.walk(node):
            name = getattr(call.func, "attr", getattr(call.func, "id", "")) if isinstance(call, ast.Call) else ""
            if isinstance(call, ast.Call) and name in calls and len(call.args) > calls[name]:
                yield call.args[calls[name]]

    tree = ast.parse(read(path))
    for code in places(tree):
        if isinstance(code, ast.Constant):
            found.add(str(code.value))
        else:
            assert getattr(code, "attr", getattr(code, "id", "")) == "code", f"{path.name}:{code.lineno}"
    for loop in ast.walk(tree):
        if isinstance(loop, ast.For) and isinstance(loop.target, ast.Tuple) and isinstance(loop.iter, ast.Tuple):
            names = [getattr(target, "id", "") for target in loop.target.elts]
            if any(isinstance(code, ast.Name) for code in places(loop)):
                found |= {entry.elts[names.index("code")].value for entry in loop.iter.elts}  # type: ignore[attr-defined]
    return found


def test_every_code_of_an_import_is_explained_and_nothing_else_is() -> None:
    folder = ROOT / "members" / "importing"
    of_rows = codes_said(ROOT / "members" / "particulars.py", {"Fault": 1})
    of_rows |= codes_said(folder / "values.py", {"CellError": 0, "_number": 2})
    for name in ("rows", "comparing"):
        of_rows |= codes_said(folder / f"{name}.py", {"say": 2, "say_of": 2})
    assert set(imports.PROBLEMS) == of_rows
    of_files: set[str] = set().union(*(codes_said(path, {"ImportFileError": 0}) for path in folder.glob("*.py")))
    parts = dict(re.findall(r"^### (.+)\n((?:(?!^##).*\n)*)", read(CONSOLE), flags=re.MULTILINE))
    for heading, codes in (("Vấn đề của dòng", of_rows), ("Cả tệp không đọc được", of_files)):
        cells = first_cells(parts[heading])
        assert {code for cell in cells for code in re.findall(r"`(\w+)`", cell)} == codes, heading
    body = sections(read(COMMANDS))["`sotay members import FILE`"]
    assert set(re.findall(r"`([a-z]+_[a-z_]+|corrupt|encrypted)`", body)) - set(HEADINGS) - {"import_id"} == (
        of_rows | of_files - {"erased_meanwhile"}  # of files that wait, which those of a command do not
    )


def test_every_code_of_an_import_of_units_is_explained_and_nothing_else_is() -> None:
    said = codes_said(ROOT / "members" / "units" / "importing.py", {"refuse": 2})
    body = sections(read(COMMANDS))["`sotay units import FILE`"]
    assert set(re.findall(r"`([a-z_]+)`", body.partition("Mã của dòng:")[2])) == said


def test_every_code_of_a_report_is_explained_and_nothing_else_is() -> None:
    said = codes_said(ROOT / "members" / "registration_table.py", {"Problem": 1})
    body = sections(read(COMMANDS))["`sotay registration import FILE`"]
    told = body.partition("| mã | nghĩa |")[2]
    assert set(re.findall(r"`([a-z]+_[a-z_]+)`", told)) == said


# Dependencies and rooms


@pytest.mark.parametrize("heading", ["app", "assets", "engine", "dev", "neural"])
def test_every_direct_dependency_is_described_and_nothing_else_is(heading: str) -> None:
    lines = read(ROOT / "requirements" / f"{heading}.in").splitlines()
    wanted = {re.split(r"[\[=<>~! ]", line)[0] for line in lines if line and line[0] not in "#-"}
    body = next(body for title, body in sections(read(DEPENDENCIES)).items() if f"requirements/{heading}.in" in title)
    assert {name.strip() for cell in first_cells(body) for name in cell.split(",")} == wanted


def test_the_build_system_is_described() -> None:
    build = tomllib.loads(read(ROOT / "pyproject.toml"))["build-system"]["requires"]
    assert {requirement.split("==")[0] for requirement in build} == IN_DEPENDENCIES_ONLY
    assert all(f"`{name}`" in read(DEPENDENCIES) for name in IN_DEPENDENCIES_ONLY)


def test_every_room_is_described_and_nothing_else_is() -> None:
    rooms = set(tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]["importlinter"]["root_packages"]) | {"tests"}
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} <= rooms
    plan = sections(read(ARCHITECTURE))["Rooms"].split("```")[1]
    assert set(re.findall(r"^([a-z]+)/", plan, flags=re.MULTILINE)) == rooms


@pytest.mark.usefixtures("database")
def test_every_job_and_event_is_listed_and_nothing_else_is() -> None:
    body = sections(read(ARCHITECTURE))["Events and jobs"]
    listed = {name for cell in first_cells(body) for name in re.findall(r"`([a-z]+\.[a-z_]+)`", cell)}
    jobs = {name for name in worker.build_app().tasks if "builtin" not in name}
    assert listed == jobs | set(events._handlers)


# Links


def markdown_files() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]


def anchors(path: Path) -> set[str]:
    """The fragments of a page's headings, as forges make them."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", read(path), flags=re.DOTALL), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", markdown_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_point_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", read(path), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(<?([^)\s>]+)>?[^)]*\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = unquote(target).partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (fragment and file.suffix == ".md" and fragment not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, open_pages = set(), [ROOT / "README.md"]
    while open_pages:
        page = open_pages.pop()
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)", read(page))
        linked = {(page.parent / link).resolve() for link in links if not re.match(r"[a-z]+:", link)}
        open_pages += [target for target in linked - reached if target.is_file()]
    assert {str(page.relative_to(ROOT)) for page in set(DOCS.rglob("*.md")) - reached} == set()
