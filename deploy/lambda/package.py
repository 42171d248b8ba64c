r"""Makes the zips of the Lambda functions: one for each, with only what it needs.

    python deploy/lambda/package.py --out dist/lambda
    python deploy/lambda/package.py --out dist/lambda --only authorizer --site build/arm64

What a zip holds follows from its handler's imports, read without running anything: modules of
`meshplane`, the files beside the handler, and for the authorizer the libraries that check a
signature. Packages' own `__init__` files stay out, as they would bring in the rest. The same source
gives the same bytes, so that a zip's hash tells whether a deployment changes anything.

Compiled libraries are those of this machine. For another one than Lambda's, install them for Lambda
first, and name the folder with `--site`:

    pip install --platform manylinux2014_aarch64 --only-binary=:all: --python-version 3.13 \
        --target build/arm64 joserfc
"""

import argparse
import ast
import hashlib
import json
import sys
import sysconfig
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCE = ROOT / "src"
API = ROOT / "docs/reference/openapi.json"
FUNCTIONS = "meshplane.workflows.functions"
PACKAGE = "meshplane"

LARGEST_ZIP_BYTES = 50_000_000
LARGEST_UNZIPPED_BYTES = 250_000_000
"""Lambda quotas: 50 MB for a zip that is uploaded directly, 250 MB unzipped, layers included."""

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_LIBRARIES = {"joserfc": ("joserfc", "cryptography", "_cffi_backend")}
"""By what a handler imports: the packages and modules that it stands on."""


@dataclass(frozen=True, slots=True)
class Made:
    """A zip that was made."""

    name: str
    path: Path
    files: int
    zipped_bytes: int
    unzipped_bytes: int
    sha256: str


def function_names() -> dict[str, str]:
    """The module of each function, by its name; read from the registry's text."""
    registry = SOURCE / FUNCTIONS.replace(".", "/") / "registry.py"
    tree = ast.parse(registry.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not (isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict)):
            continue
        return {
            str(key.value): f"{FUNCTIONS}.{value.value.id}"
            for key, value in zip(node.value.keys, node.value.values, strict=True)
            if isinstance(key, ast.Constant)
            and isinstance(value, ast.Attribute)
            and isinstance(value.value, ast.Name)
        }
    raise SystemExit("the registry of functions cannot be read")


def imports(path: Path) -> Iterator[str]:
    """The full names that a file imports, in functions too; what is only for types is left out."""
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        pending += ast.iter_child_nodes(node)


def module_file(name: str) -> Path | None:
    """The file of a module of ours, or of the module that holds a name."""
    parts = name.split(".")
    for length in (len(parts), len(parts) - 1):
        path = SOURCE.joinpath(*parts[:length])
        if path.with_suffix(".py").exists():
            return path.with_suffix(".py")
        if (path / "__init__.py").exists() and length == len(parts):
            return path / "__init__.py"
    return None


def closure(entries: Sequence[Path]) -> tuple[set[Path], set[str]]:
    """What these files stand on: files of ours, and the libraries that they import."""
    files, libraries, pending = set(entries), set(), list(entries)
    while pending:
        for name in imports(pending.pop()):
            top = name.partition(".")[0]
            beside = HERE / f"{top}.py"
            found = module_file(name) if top == PACKAGE else beside if beside.exists() else None
            if found is None and top in _LIBRARIES:
                libraries.add(top)
            if found is not None and found not in files:
                files.add(found)
                pending.append(found)
    return files, libraries


def operations_of(files: set[Path], api: Path) -> dict[str, dict[str, Any]]:
    """Method, path and query of the operations that a function calls by literals."""
    called = {
        str(node.args[0].value)
        for file in files
        if file.is_relative_to(SOURCE)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "call"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    document = json.loads(api.read_text(encoding="utf-8"))
    known = {
        operation["operationId"]: {
            "method": method.upper(),
            "path": path,
            "query": [
                one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"
            ],
        }
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict) and "operationId" in operation
    }
    missing = called - known.keys()
    if missing:
        raise SystemExit(f"{api} has no operation {min(missing)}")
    return {name: known[name] for name in sorted(called)}


def library_files(name: str, site: Path) -> dict[str, Path]:
    """The files of a library in the environment, without tests, caches and type stubs."""
    found: dict[str, Path] = {}
    for part in _LIBRARIES[name]:
        folder = site / part
        single = [*site.glob(f"{part}.py"), *site.glob(f"{part}*.so")]
        paths = folder.rglob("*") if folder.is_dir() else single
        for path in paths:
            if path.is_file() and path.suffix in (".py", ".so") and "__pycache__" not in path.parts:
                found[path.relative_to(site).as_posix()] = path
        if not found:
            raise SystemExit(f"{site} has no {part}: install it there")
    return found


def contents(
    handler: str, function: tuple[str, str] | None, site: Path, api: Path
) -> dict[str, bytes]:
    """What a zip holds, by path."""
    entries = [HERE / f"{handler}.py"]
    if function is not None:
        found = module_file(function[1])
        entries += [found] if found else []
    files, libraries = closure(entries)
    made: dict[str, bytes] = {}
    for path in files:
        base = SOURCE if path.is_relative_to(SOURCE) else HERE
        where = path.relative_to(base)
        # Importing a module runs the `__init__` of its packages, which would ask for the others.
        made[where.as_posix()] = b"" if where.name == "__init__.py" else path.read_bytes()
        for parent in list(where.parents)[:-1]:
            made.setdefault((parent / "__init__.py").as_posix(), b"")
    for library in libraries:
        for where_in, path in library_files(library, site).items():
            made[where_in] = path.read_bytes()
    if function is not None:
        named = {"name": function[0], "module": function[1]}
        made["function.json"] = json.dumps(named).encode()
        made["operations.json"] = json.dumps(operations_of(files, api), indent=1).encode()
    return made


def write_zip(name: str, held: dict[str, bytes], out: Path) -> Made:
    """Writes a zip, the same bytes for the same content."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        for where in sorted(held):
            entry = zipfile.ZipInfo(where, _FIXED_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            made.writestr(entry, held[where])
    zipped, unzipped = path.stat().st_size, sum(map(len, held.values()))
    if zipped > LARGEST_ZIP_BYTES or unzipped > LARGEST_UNZIPPED_BYTES:
        raise SystemExit(f"{name} is larger than Lambda takes: {zipped} bytes, {unzipped} unzipped")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Made(name, path, len(held), zipped, unzipped, digest)


def package(out: Path, only: Sequence[str], site: Path, api: Path) -> list[Made]:
    """Makes the zips of these functions; all of them, and the authorizer, by default."""
    wanted: dict[str, tuple[str, tuple[str, str] | None]] = {
        name: ("function_handler", (name, module)) for name, module in function_names().items()
    }
    wanted["authorizer"] = ("authorizer_handler", None)
    unknown = set(only) - wanted.keys()
    if unknown:
        raise SystemExit(f"there is no {min(unknown)}; there are: {', '.join(sorted(wanted))}")
    return [
        write_zip(name, contents(handler, function, site, api), out)
        for name, (handler, function) in wanted.items()
        if not only or name in only
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Makes the zips and prints their sizes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="the folder for the zips")
    parser.add_argument("--only", action="append", default=[], help="a function; may come again")
    parser.add_argument("--site", type=Path, default=Path(sysconfig.get_path("platlib")))
    parser.add_argument("--api", type=Path, default=API, help="the API's OpenAPI document")
    given = parser.parse_args(arguments)
    for made in package(given.out, given.only, given.site, given.api):
        sizes = f"{made.zipped_bytes:>11,} {made.unzipped_bytes:>11,} {made.files:>5}"
        sys.stdout.write(f"{made.name:<26}{sizes}  sha256:{made.sha256[:16]}\n")


if __name__ == "__main__":
    main()
