"""What a make target reads of the environment, and what it cannot do without: from its recipe and the code it runs."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.serving import ROOT

_LINES = "\n".join((ROOT / name).read_text() for name in ("Makefile", "deploy/github/steps.mk"))
MAKEFILES = re.sub(r"\\\n\s*", " ", re.sub(r"##.*", "", _LINES))
_RULES = re.compile(r"^([a-z.][\w./ -]*):(?!=)([^=\n]*)\n((?:\t.*\n)*)", re.M)
RULES = {name: (needs.split(), recipe) for names, needs, recipe in _RULES.findall(MAKEFILES) for name in names.split()}
TARGETS = {name for name in RULES if not name.startswith(".")}
DEFINED = dict(re.findall(r"^define (\S+)\n(.*?)^endef", MAKEFILES, re.M | re.S))
DEFINED |= dict(re.findall(r"^(\w+) *[?:]?= *(.*)$", MAKEFILES, re.M))
OURS = ("app", "deploy", "loadtests", "tests", "training")
# What tools read by themselves.
READ_BY_GH = {"GH_TOKEN", "GH_REPO"}
# What GitHub gives every step. Its token it does not give.
GIVEN = re.compile("(?!GITHUB_TOKEN$)(GITHUB|RUNNER)_.*")


@cache
def reads(target) -> set[str]:
    """Every name in capitals in the recipe of a target and of those that it needs, and in the code that they run."""
    text = _expanded(_recipe(target))
    text += "".join(path.read_text() for path in _code(text))
    return set(re.findall(r"\b[A-Z][A-Z0-9_]*\b", text)) | (READ_BY_GH if _uses_gh(text) else set())


@cache
def demands(target) -> set[str]:
    """What a target fails without, but for what GitHub gives every step."""
    recipe = _recipe(target)
    names = set(re.findall(r"\$\$\{(\w+):\?", recipe)) | ({"GH_TOKEN"} if _uses_gh(recipe) else set())
    for module, argument in re.findall(r"-m (deploy\.github\.\w+)(?: (\w+))?", recipe):
        names |= _demanded(module, argument if argument in _functions(module) else "main", set())
    return {name for name in names if not GIVEN.fullmatch(name)}


def summarises(target) -> bool:
    """Whether a target writes to the run's page more than why it stopped."""
    modules = re.findall(r"-m (deploy\.github\.\w+)", _recipe(target))
    return any("summarise(" in path.read_text() for module in modules for path in _files(module))


def _uses_gh(recipe):
    return "need,gh," in recipe


def _recipe(target) -> str:
    """What make runs for a target, its needs' recipes first, and those of the targets that it makes in turn."""
    needs, recipe = RULES.get(target, ([], ""))
    further = [word for line in re.findall(r"\$\(MAKE\)(.*)", recipe) for word in line.split() if word in TARGETS]
    return "".join(_recipe(need) for need in needs if need in RULES) + recipe + "".join(map(_recipe, further))


def _expanded(text) -> str:
    """A text and what the variables are that it names."""
    known: dict[str, str] = {}
    waiting = [text]
    while waiting:
        for name in re.findall(r"\$\((?:call )?([\w-]+)", waiting.pop()):
            if name in DEFINED and name not in known:
                known[name] = DEFINED[name]
                waiting.append(DEFINED[name])
    return "\n".join([text, *known.values()])


def _code(text) -> set[Path]:
    """The files of this repository that a recipe runs, and whatever they import or run."""
    found: set[Path] = set()
    waiting = set(_started(text))
    while waiting:
        path = waiting.pop()
        found.add(path)
        waiting |= {*_started(path.read_text()), *_imported(path)} - found
    return found


def _started(text) -> Iterator[Path]:
    for module in re.findall(r'-m(?:",)? "?([\w.]+)', text):
        yield from _files(module)
    for name in re.findall(r"\b[\w/]+\.py\b", text):
        yield from [ROOT / name] if (ROOT / name).is_file() and name.startswith(OURS) else []
    for folder in re.findall(r"(?<= )tests/\w+", text):
        yield from (ROOT / folder).glob("*.py")


def _imported(path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                yield from _files(name)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(alias.name)


def _files(module) -> Iterator[Path]:
    if module.split(".")[0] in OURS:
        stem = ROOT.joinpath(*module.split("."))
        yield from (path for path in (stem.with_suffix(".py"), stem / "__main__.py") if path.is_file())


@cache
def _tree(module):
    return ast.parse(ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text())


def _functions(module) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in _tree(module).body if isinstance(node, ast.FunctionDef)}


def _demanded(module, function, seen) -> set[str]:
    """The literal names that a step's function, and those of its own that it calls, ask for by `given` or `digest`."""
    seen.add((module, function))
    imported = {
        alias.name: node.module
        for node in _tree(module).body
        if isinstance(node, ast.ImportFrom) and node.module.startswith("deploy.github")
        for alias in node.names
    }
    names: set[str] = set()
    for node in ast.walk(_functions(module)[function]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"given", "digest"}:
            names |= {one.value for one in node.args[:1] if isinstance(one, ast.Constant)}
        elif isinstance(node, ast.Name):
            home = imported.get(node.id, module)
            if (home, node.id) not in seen and node.id in _functions(home):
                names |= _demanded(home, node.id, seen)
    return names
