from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from abiclash.errors import SourceError, UsageError
from abiclash.facts.store import Store
from abiclash.sources.environment import Distribution, distributions, installed_names, open_environment, python_of
from abiclash.sources.installed import read_distributions, read_objects
from abiclash.sources.platform import Python

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support import Builder


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Return site-packages of an empty environment at tmp_path/venv."""
    folder = tmp_path / "venv/lib/python3.11/site-packages"
    folder.mkdir(parents=True)
    (tmp_path / "venv/pyvenv.cfg").write_text("home = /nowhere/bin\nversion = 3.11.2\n")
    return folder


def install(site: Path, name: str, version: str, files: dict[str, str], record: str | None = None) -> Path:
    """Install a distribution as an installer does."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Name: {name}\nVersion: {version}\nRequires-Dist: other\nRequires-Python: >=3.9\n\ntext"
    )
    for path, content in files.items():
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text(content)
    lines = [f"{path},sha256=x,{len(content)}" for path, content in files.items()]
    (info / "RECORD").write_text("\n".join(lines) if record is None else record)
    return info


def found(tmp_path: Path) -> dict[str, Distribution]:
    items, _ = distributions(open_environment(tmp_path / "venv"))
    return {item.name: item for item in items}


def problems(tmp_path: Path) -> list[str]:
    return [f"{item.what}: {item.reason}" for item in distributions(open_environment(tmp_path / "venv"))[1]]


def paths(item: Distribution) -> list[str]:
    return [file.path for file in item.files]


def test_installed_distributions_own_the_files_of_their_record(tmp_path: Path, site: Path) -> None:
    install(site, "My_Demo", "1.0", {"demo/__init__.py": "", "demo/_x.so": "abc", "../../../bin/demo": "#!"})
    item = found(tmp_path)["my-demo"]
    assert (item.name, item.version, item.requires, item.requires_python) == ("my-demo", "1.0", ("other",), ">=3.9")
    assert [(file.path, file.size, file.hash) for file in item.files] == [
        ("demo/__init__.py", 0, "sha256=x"),
        ("demo/_x.so", 3, "sha256=x"),
        ("../../../bin/demo", 2, "sha256=x"),
    ]
    assert installed_names(tmp_path / "venv") == {"my-demo"}


def test_files_that_nobody_owns_are_distributions_of_their_own(tmp_path: Path, site: Path) -> None:
    install(site, "demo", "1.0", {"demo/__init__.py": ""})
    for path in (
        "demo/built.so",
        "mine.cpython-311-x86_64-linux-gnu.so",
        "own/a.py",
        "own/__pycache__/a.pyc",
        "demo/x.pyc",
    ):
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_text("x")
    items, _ = distributions(open_environment(tmp_path / "venv"))
    assert [(item.name, item.version) for item in items] == [("demo", "1.0"), ("demo", ""), ("mine", ""), ("own", "")]
    assert paths(items[3]) == ["own/a.py"]
    assert "demo/built.so" in paths(items[1])


def test_egg_infos_of_old_installers(tmp_path: Path, site: Path) -> None:
    legacy = site / "legacy-1.2-py3.11.egg-info"
    legacy.mkdir()
    (legacy / "PKG-INFO").write_text("Name: legacy\nVersion: 1.2\n")
    (legacy / "installed-files.txt").write_text("../legacy/__init__.py\nPKG-INFO\n")
    single = site / "single-3-py3.11.egg-info"
    single.write_text("Name: single\nVersion: 3\n")
    (site / "single.py").write_text("")
    (site / "legacy").mkdir()
    (site / "legacy/__init__.py").write_text("")
    items = found(tmp_path)
    assert (items["legacy"].version, paths(items["legacy"])[0]) == ("1.2", "legacy/__init__.py")
    assert (items["single"].version, paths(items["single"])) == ("3", ["single.py"])


def test_editable_installations_by_a_folder_are_followed(tmp_path: Path, site: Path) -> None:
    tree = tmp_path / "tree/src"
    (tree / "demo").mkdir(parents=True)
    (tree / "demo/_x.so").write_text("x")
    (tree / ".git").mkdir()
    (tree / ".git/y.so").write_text("x")
    install(site, "demo", "1.0", {"_demo.pth": f"{tree}\n"})
    assert found(tmp_path)["demo"].elsewhere == (("demo/_x.so", tree / "demo/_x.so"),)
    assert problems(tmp_path) == []


def test_editable_installations_by_setuptools_hook_are_followed(tmp_path: Path, site: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "demo").mkdir(parents=True)
    (tree / "demo/_x.so").write_text("x")
    (tree / "single.py").write_text("")
    finder = f"MAPPING: dict[str, str] = {{'demo': {str(tree / 'demo')!r}, 'single': {str(tree / 'single')!r}}}\n"
    install(
        site,
        "demo",
        "1.0",
        {
            "__editable__.demo-1.0.pth": "import __editable___demo_1_finder; __editable___demo_1_finder.install()\n",
            "__editable___demo_1_finder.py": finder,
        },
    )
    assert found(tmp_path)["demo"].elsewhere == (
        ("demo/_x.so", tree / "demo/_x.so"),
        ("single.py", tree / "single.py"),
    )
    assert problems(tmp_path) == []


def test_what_cannot_be_followed_is_told(tmp_path: Path, site: Path) -> None:
    install(site, "hooked", "1.0", {"_hooked_editable.pth": "import _hooked_editable_loader\n"})
    install(site, "moved", "1.0", {"moved.pth": "/no/such/folder\n"})
    (tmp_path / "extra").mkdir()
    (site / "stray.pth").write_text(f"{tmp_path}/extra\nimport os\n")
    assert problems(tmp_path) == [
        f"{site}/stray.pth: adds {tmp_path}/extra to sys.path, and no installed package says what of it is used",
        "hooked: editable installation by an import hook (_hooked_editable.pth), which is not executed",
        "moved: moved.pth names a folder that is not there: /no/such/folder",
    ]


def test_damaged_metadata_costs_only_itself(tmp_path: Path, site: Path) -> None:
    (install(site, "bad", "1.0", {}) / "RECORD").write_bytes(b"\xff\xff,,\n")
    install(site, "good", "1.0", {"good.py": ""})
    assert list(found(tmp_path)) == ["good"]
    assert "bad-1.0.dist-info: its metadata cannot be read" in problems(tmp_path)[0]


def test_system_packages_come_after_the_environments_own(tmp_path: Path, site: Path) -> None:
    base = tmp_path / "base/lib/python3.11/site-packages"
    base.mkdir(parents=True)
    install(base, "shared", "1.0", {})
    install(base, "both", "1.0", {})
    install(site, "both", "2.0", {})
    (tmp_path / "venv/pyvenv.cfg").write_text(
        f"home = {tmp_path}/base/bin\ninclude-system-site-packages = true\nversion_info = 3.11.2.final.0\n"
    )
    assert {name: item.version for name, item in found(tmp_path).items()} == {"both": "2.0", "shared": "1.0"}


def test_python_of_an_environment(tmp_path: Path, site: Path) -> None:
    assert python_of(tmp_path / "venv") == Python(11, 2)
    prefix = tmp_path / "prefix/lib"
    (prefix / "python3.9/site-packages").mkdir(parents=True)
    assert python_of(tmp_path / "prefix") == Python(9)
    (prefix / "python3.12/site-packages").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"which Python is meant does not show \(found: 3\.9, 3\.12\)"):
        python_of(tmp_path / "prefix")


def test_what_is_no_environment(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a Python environment; name the folder"):
        python_of(tmp_path / "nowhere")


def test_an_environment_without_packages_folder(tmp_path: Path) -> None:
    (tmp_path / "pyvenv.cfg").write_text("version = 3.11.2\n")
    with pytest.raises(SourceError, match=r"no site-packages for Python 3\.11"):
        open_environment(tmp_path)


@pytest.mark.compiler
def test_facts_of_what_is_installed(tmp_path: Path, site: Path, builder: Builder) -> None:
    install(site, "demo", "1.0", {"demo/__init__.py": "", "demo/notes.so": "text, not ELF"}, record="demo/_x.so,,\n")
    builder.library("_x.so", "int answer(void) { return 42; }", into=site / "demo")
    (site / "demo/broken.so").write_bytes(b"\x7fELF" + bytes(100))
    store = Store(tmp_path / "store")
    items, _ = distributions(open_environment(tmp_path / "venv"))
    owned, unowned = read_distributions(items, store)
    assert (owned.name, owned.version, owned.filename, owned.modules) == ("demo", "1.0", str(site), ("demo",))
    (facts,) = owned.objects
    assert (facts.path, owned.members) == ("demo/_x.so", {"demo/_x.so": str(site.resolve() / "demo/_x.so")})
    assert b"answer" in store.names(owned.sha256, facts.symbols.key).values()
    assert [problem.what for problem in unowned.not_analysed] == [str(site.resolve() / "demo/broken.so")]


@pytest.mark.compiler
def test_facts_are_read_once_and_again_when_a_file_changes(tmp_path: Path, site: Path, builder: Builder) -> None:
    install(site, "demo", "1.0", {}, record="_x.so,,\n")
    library = builder.library("_x.so", "int one;", into=site)
    store = Store(tmp_path / "store")

    def read() -> tuple[str, int]:
        items, _ = distributions(open_environment(tmp_path / "venv"))
        (facts,) = read_distributions(items, store)
        return facts.sha256, len(facts.objects[0].symbols.key)

    first = read()
    library.chmod(0o000)
    assert read() == first
    library.unlink()
    builder.library("_x.so", "int one; int two;", into=site)
    second = read()
    assert second[0] != first[0]
    assert second[1] == first[1] + 1


@pytest.mark.compiler
def test_facts_of_a_bare_object(tmp_path: Path, builder: Builder) -> None:
    library = builder.library("libx.so.1", "int one;")
    (facts,) = read_objects([library], Store(tmp_path / "store"))
    assert (facts.name, facts.version, facts.objects[0].soname) == ("libx.so.1", "", "libx.so.1")
    assert facts.members == {"libx.so.1": str(library)}
