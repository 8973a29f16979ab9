"""House rules that no linter knows. Each failure says which file breaks which rule."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("core", "wire", "simulator", "gateway", "analytics", "chamber", "portal", "testbed")
PLUGINS = (
    "simulator/equipment",
    "simulator/wear",
    "simulator/publish",
    "gateway/sources",
    "gateway/stages",
    "gateway/stores",
    "analytics/detectors",
    "analytics/prognosis",
    "analytics/feedback",
    "chamber/checks",
)
MAX_MODULE_LINES = 400
BILINGUAL = ("README", "docs/guideline")
#: hosts of package and image registries, written apart so that this file does not name them
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("yarnpkg", "com"),
        ("crates", "io"),
        ("maven", "org"),
        ("maven", "apache", "org"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("docker", "io"),
        ("docker", "com"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("gcr", "io"),
    )
)
HOME = re.compile(r"(?<![\w.$~-])/(?:home|Users|root|work)/[\w.-]+")


@cache
def tracked() -> tuple[Path, ...]:
    """Files that git tracks or would track; every file where there is no git."""
    call = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        names = subprocess.run(call, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: the list of tracked files is unknown")
    return tuple(ROOT / name for name in sorted(set(names)) if name and (ROOT / name).is_file())


def texts() -> Iterator[tuple[str, str]]:
    """Path below the root and content of every tracked text file."""
    for path in tracked():
        try:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def modules() -> list[Path]:
    return [p for p in tracked() if p.suffix == ".py" and p.relative_to(ROOT).parts[0] in ROOMS]


def defines_kind(path: Path) -> bool:
    """Tell whether a module has a config with ``kind: Literal[...]``; its helpers have none."""
    return re.search(r"^    kind: Literal\[", path.read_text(encoding="utf-8"), flags=re.M) is not None


def plugin_modules() -> list[Path]:
    return [p for folder in PLUGINS for p in sorted((ROOT / folder).glob("*.py")) if defines_kind(p)]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(tree: ast.Module) -> set[str]:
    """Dotted names of every module that a tree imports from or imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_ports_fit_one_page() -> None:
    assert len((ROOT / "core/ports.py").read_text(encoding="utf-8").splitlines()) < 200


def test_init_files_are_empty() -> None:
    assert [name_of(p) for p in modules() if p.name == "__init__.py" and p.read_bytes()] == []


def test_every_folder_of_modules_is_a_package() -> None:
    """setuptools ships packages only."""
    assert sorted({name_of(p.parent) for p in modules() if not (p.parent / "__init__.py").is_file()}) == []


def test_modules_are_small() -> None:
    sizes = {name_of(p): len(p.read_text(encoding="utf-8").splitlines()) for p in modules()}
    assert {name: size for name, size in sizes.items() if size > MAX_MODULE_LINES} == {}


@pytest.mark.parametrize("path", plugin_modules(), ids=name_of)
def test_every_plugin_stands_in_its_rooms_kinds(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    kinds = ROOT / room / "kinds.py"
    assert kinds.is_file(), f"{room}/kinds.py is missing"
    dotted = name_of(path).removesuffix(".py").replace("/", ".")
    names = imported(ast.parse(kinds.read_text(encoding="utf-8")))
    assert dotted in names, f"{name_of(path)} is not named in {room}/kinds.py"


def test_no_registry_is_named() -> None:
    pattern = re.compile("|".join(rf"(?<![\w-]){re.escape(host)}\b" for host in REGISTRIES))
    assert [(name, m[0]) for name, text in texts() for m in [pattern.search(text)] if m] == []


def test_no_path_of_somebodys_machine() -> None:
    assert [(name, m[0]) for name, text in texts() for m in [HOME.search(text)] if m] == []


def test_pins_are_plain() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*==[0-9][\w.!+]*", line)] == []


def test_every_dependency_is_pinned() -> None:
    def canonical(requirement: str) -> str:
        return re.sub(r"[-_.]+", "-", re.split(r"[<>=!~;\[ ]", requirement, maxsplit=1)[0]).lower()

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {canonical(r) for r in project["dependencies"]}
    wanted |= {canonical(r) for extra in project["optional-dependencies"].values() for r in extra}
    pinned = {canonical(line) for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    assert wanted - pinned == set()


@pytest.mark.parametrize("stem", BILINGUAL)
def test_documents_stand_in_both_languages(stem: str) -> None:
    english = (ROOT / f"{stem}.md").read_text(encoding="utf-8")
    korean = (ROOT / f"{stem}.ko.md").read_text(encoding="utf-8")
    assert re.search("[가-힣]{2}", korean)

    def outline(text: str) -> list[int]:
        plain = re.sub(r"```.*?```", "", text, flags=re.S)
        return [len(m[1]) for m in re.finditer(r"^(#+) ", plain, flags=re.M)]

    def commands(text: str) -> list[str]:
        """Code blocks without their comments and pictures: both languages show the same commands."""
        blocks = re.findall(r"```(?:sh|powershell|json)\n(.*?)```", text, flags=re.S)
        lines = [re.sub(r"\s*#.*", "", line).rstrip() for block in blocks for line in block.splitlines()]
        return [line for line in lines if line]

    assert outline(korean) == outline(english)
    assert commands(korean) == commands(english)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").rglob("*.y*ml")), ids=name_of)
def test_shipped_configs_are_yaml(path: Path) -> None:
    assert yaml.safe_load(path.read_text(encoding="utf-8")) is not None


def test_files_named_in_the_documents_exist() -> None:
    """Paths below the shipped folders that a document names, placeholders left out."""
    pattern = re.compile(r"(?<![\w/.-])((?:configs|docs|core|tests)/[\w./-]*\w\.(?:ya?ml|md|py|json))\b")
    documents = [ROOT / n for n in ("README.md", "README.ko.md", "CONTRIBUTING.md", "docs/architecture.md")]
    documents += sorted((ROOT / "docs/decisions").glob("*.md"))
    named = {(d.name, m) for d in documents for m in pattern.findall(d.read_text(encoding="utf-8"))}
    assert sorted((document, path) for document, path in named if not (ROOT / path).is_file()) == []


def test_markdown_links_lead_somewhere() -> None:
    links = [
        (path, target)
        for path in tracked()
        if path.suffix == ".md"
        for text in [re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)]
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)
    ]
    assert [(name_of(path), target) for path, target in links if not (path.parent / target).exists()] == []


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(p.name[:4]) for p in sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))
