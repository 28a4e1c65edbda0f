"""Who may use whom: the order of the package's rooms, and what kernels and core leave alone."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import fastloss as fl

ROOT = Path(__file__).parents[1]
INSTALLED = Path(fl.__file__).parents[1]  # the same, unless a wheel is tested

# What a room (a folder or a module of fastloss) may use, directly or by way of others. A module
# that is not named here may be used by all, and use what its users may; a new one needs no entry
# unless it is to hold others back.
ROOMS = {
    "files": set(),
    "losses": set(),
    "define": {"losses", "scoring", "files"},
    "penalties": set(),
    "optim": {"penalties", "files"},
    "scoring": {"losses", "files"},
    "plot": {"losses", "scoring"},
    "sklearn": {"losses"},
    "scipy": {"losses"},
    "bench": {"losses", "penalties", "optim", "scoring", "files"},
    "cli": {"losses", "define", "penalties", "optim", "scoring", "bench", "files", "linear_model"},
    "torch": {"losses", "penalties", "optim", "files"},
    "linear_model": {"losses", "penalties", "optim", "files"},
    "boosting": {"losses"},
    "lightgbm": {"boosting", "losses"},
    "xgboost": {"boosting", "losses"},
    "catboost": {"boosting", "losses"},
    "polars": {"losses", "scoring"},
    "dask": {"losses", "penalties", "optim", "scoring", "files", "linear_model"},
    "spark": {"losses", "scoring", "files"},
    "ray": {"losses", "scoring", "files"},
}
# These make up the command; all else is used from outside.
FACE = {"fastloss", "fastloss.__main__"}
CORE = "fastloss._core"  # compiled: it imports nothing of the package


def modules(root):
    """The source of each module of a package, by its name."""
    found = {}
    for path in sorted((root / "fastloss").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[: -1 if parts[-1] == "__init__" else None])] = path.read_text()
    return found


def uses(name, source, known):
    """The modules of the package that a module imports, wherever in it and for whatever."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "fastloss"}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            if node.module.split(".")[0] == "fastloss":
                # names of a package are its modules, or what its __init__ hands on
                within = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= (within & known) or {node.module}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {a.value for a in node.args if isinstance(a, ast.Constant)} & known
    # a module's packages run before it, but for those that the importing one is in itself
    for module in [*found]:
        packages = {module.rsplit(".", k)[0] for k in range(1, module.count("."))}
        found |= {p for p in packages if not name.startswith(f"{p}.") and p != name} & known
    return found - {CORE}


def graph(root):
    sources = modules(root)
    return {name: uses(name, source, {*sources, CORE}) for name, source in sources.items()}


def room(name):
    return name.split(".")[1]


def reached(name, imports):
    """All modules that a module uses, or that those use."""
    found, todo = set(), [name]
    while todo:
        new = imports.get(todo.pop(), set()) - found
        found |= new
        todo += new
    return found


def offences(root):
    """What in a tree is against the order, in words."""
    imports = graph(root)
    found = []
    try:
        [*TopologicalSorter(imports).static_order()]
    except CycleError as error:
        found.append(f"a circle: {' -> '.join(error.args[1])}")
    for name, used in imports.items():
        if name in FACE:
            continue
        if used & FACE:
            found.append(f"{name} imports the package's face")
        own = room(name)
        for other in sorted({room(module) for module in reached(name, imports) - FACE} - {own}):
            if own in ROOMS and other in ROOMS and other not in ROOMS[own]:
                found.append(f"{name} uses {other}")
    return found


def test_the_package_keeps_the_order():
    assert offences(INSTALLED) == []
    assert len(graph(INSTALLED)) > 50


@pytest.mark.parametrize(
    ("files", "offence"),
    [
        ({"losses/a.py": "import fastloss"}, "fastloss.losses.a imports the package's face"),
        ({"losses/a.py": "from fastloss import Huber"}, "losses.a imports the package's face"),
        ({"losses/a.py": "from fastloss.scoring.b import x"}, "fastloss.losses.a uses scoring"),
        ({"losses/a.py": "def f():\n    import fastloss.optim.b"}, "losses.a uses optim"),
        (
            {"losses/a.py": "from fastloss import new", "new.py": "import fastloss.scoring.b"},
            "fastloss.losses.a uses scoring",
        ),
        (
            {"cli/a.py": "import fastloss.cli.b", "cli/b.py": "from fastloss.cli import a"},
            "a circle: fastloss.cli.",
        ),
        (
            {
                "losses/a.py": "import fastloss.new.b",
                "new/__init__.py": "import fastloss.scoring.b",
                "new/b.py": "",
            },
            "fastloss.losses.a uses scoring",
        ),
        (
            {"losses/a.py": "importlib.import_module('fastloss.scoring.b')"},
            "fastloss.losses.a uses scoring",
        ),
        ({"losses/a.py": "from fastloss import _core", "new.py": "import fastloss.losses.a"}, None),
        ({"new/__init__.py": "", "new/a.py": "from fastloss.scoring.b import x"}, None),
    ],
)
def test_what_breaks_the_order_is_found(files, offence, tmp_path):
    files = {"__init__.py": "", "scoring/b.py": "", "optim/b.py": "", "losses/c.py": ""} | files
    for name, source in files.items():
        path = tmp_path / "fastloss" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    found = offences(tmp_path)
    assert found == [] if offence is None else offence in found[0]


# ---- compiled ----------------------------------------------------------------------------------


def code(path):
    """A source without its comments and docstrings."""
    text = path.read_text()
    if path.suffix == ".h":
        return re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)
    return re.sub(r'""".*?"""|#[^\n]*', "", text, flags=re.S)


def sources(folder):
    found = [p for p in sorted((ROOT / "src" / folder).iterdir()) if p.suffix in (".pxi", ".h")]
    assert len(found) > 8
    return found


def test_the_core_knows_instruction_sets_in_one_place():
    for path in sources("core"):
        if path.name != "isa.pxi":
            assert not re.search(r"avx|sse\d|neon|baseline|simd", code(path), re.I), path


def test_kernels_know_no_python_objects():
    """But for the module's end, which fills in the table and tells what is in it."""
    for path in sources("kernels"):
        if path.name != "table.pxi":
            words = r"^\s*(def|class|import|raise)\b|\b(object|list|dict|tuple|gil|Py[A-Z]\w+)\b"
            found = re.search(words, code(path).replace("Py_ssize_t", ""), re.M)
            assert not found, (path, found)
