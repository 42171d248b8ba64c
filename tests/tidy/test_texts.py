"""What is written down holds on any machine, and what it points at is there."""

import re
from collections.abc import Callable
from fnmatch import fnmatch

import pytest

from tests.tidy.tree import ROOT, File, assert_none, texts

# A clone must install from whatever registry its owner uses, so that no file names one.
REGISTRY = re.compile(
    r"""\b(
        pypi\.org | pythonhosted\.org | registry\.npmjs\.org | registry\.yarnpkg\.com
        | deb\.debian\.org | security\.debian\.org | archive\.ubuntu\.com | proxy\.golang\.org
        | crates\.io | repo1?\.maven\.(apache\.)?org | rubygems\.org | conda\.anaconda\.org
        | docker\.io | ghcr\.io | quay\.io
    )\b""",
    re.VERBOSE,
)

# A folder of one person's or one image's disk. What stands before it must not make it the end of
# a longer path, of an address, or of a placeholder (`{bucket}/data/`).
MACHINE_PATH = re.compile(
    r"(?<![\w.\-}\])>*$%])/(root|work|opt|srv|mnt|(home|Users)/[\w.-]+)(/|(?![\w.-]))"
)

# Where such a path is right, by file and by the start of the path, with the reason.
ALLOWED_PATHS: dict[tuple[str, str], str] = {
    ("deploy/*", "/opt/meshplane"): "inside an image that is ours, the path is ours to choose",
    ("tests/tidy/*", "/"): "the patterns and what they must find stand here",
}

LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
MAKE_CALL = re.compile(
    r"(?:^|`|\$ )(?:[A-Z]+=\S+ )*make ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)", re.M
)
TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def by_line(file: File, problem_of: Callable[[str], str | None]) -> list[str]:
    """A finding for each line that has a problem."""
    return [
        file.at(number, problem)
        for number, line in enumerate(file.text.splitlines(), 1)
        if (problem := problem_of(line))
    ]


def registries(file: File) -> list[str]:
    """Names of the hosts of package registries."""
    if file.path.startswith("tests/tidy/"):
        return []  # the patterns stand here

    def problem(line: str) -> str | None:
        match = REGISTRY.search(line)
        return f"{match[0]}: leave the choice of a registry to whoever installs" if match else None

    return by_line(file, problem)


def machine_paths(file: File) -> list[str]:
    """Absolute paths that exist on one machine only."""
    allowed = [start for (files, start) in ALLOWED_PATHS if fnmatch(file.path, files)]

    def problem(line: str) -> str | None:
        for match in MACHINE_PATH.finditer(line):
            if not any(line.startswith(start, match.start()) for start in allowed):
                return f"{match[0]} is a path of one machine"
        return None

    return by_line(file, problem)


def anchors(markdown: str) -> set[str]:
    """The anchors of a document's headings, as they are made on a forge's pages."""
    headings = re.findall(r"^#{1,6} +(.+?) *#*$", FENCE.sub("", markdown), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        for heading in headings
    }


def dead_links(file: File, others: dict[str, str]) -> list[str]:
    """Links to files, or to headings in them, that are not there.

    Args:
        file: a document.
        others: every text file of the repository by its path, with its text.
    """
    found = []
    folder = ROOT / file.path
    for target in LINK.findall(FENCE.sub("", file.text)):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (folder.parent / name).resolve() if name else folder
        key = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else None
        if key is None or not (key in others or path.exists()):
            found.append(f"{file.path}: {target} leads nowhere")
        elif anchor and key.endswith(".md") and anchor not in anchors(others[key]):
            found.append(f"{file.path}: {target} names no heading of {key}")
    return found


def unknown_targets(file: File, makefile: str) -> list[str]:
    """Calls of make, in a document, of what the Makefile does not have."""
    targets = set(TARGET.findall(makefile))
    called = [word for call in MAKE_CALL.findall(file.text) for word in call.split()]
    return [f"{file.path}: make {word} does not exist" for word in called if word not in targets]


def loose_pins(file: File) -> list[str]:
    """Requirements without an exact version and a hash, and lines that name a place."""
    lines = re.sub(r" *\\\n *", " ", file.text).splitlines()
    found = []
    for number, line in enumerate(lines, 1):
        if "://" in line or line.startswith("-"):
            found.append(f"{file.path}: requirement {number} names a place or an option")
        elif line.strip() and not line.startswith("#"):
            pinned = re.match(
                r"[\w.-]+(\[[\w,-]+\])?==[\w.+!-]+( ;.*?)?( --hash=sha256:\w{64})+$", line
            )
            found += [] if pinned else [f"{file.path}: {line.split()[0]} is not pinned by a hash"]
    return found


def markdown() -> list[File]:
    """Every document of the repository."""
    return [file for file in texts() if file.path.endswith(".md")]


def test_files__leave_the_registry_to_whoever_installs() -> None:
    assert_none([problem for file in texts() for problem in registries(file)])


def test_files__hold_no_path_of_one_machine() -> None:
    assert_none([problem for file in texts() for problem in machine_paths(file)])


def test_documents__link_to_what_is_there() -> None:
    others = {file.path: file.text for file in texts()}
    assert_none([problem for file in markdown() for problem in dead_links(file, others)])


def test_documents__call_make_for_what_it_has() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert_none([each for file in markdown() for each in unknown_targets(file, makefile)])


def test_readme__shows_how_to_run_it_and_one_command_more() -> None:
    readme = (ROOT / "README.md").read_text()
    called = {word for call in MAKE_CALL.findall(readme) for word in call.split()}
    assert "run" in called
    assert len(called) > 1


def test_requirements__are_pinned_by_hashes() -> None:
    pinned = [file for file in texts("requirements") if file.path.endswith(".txt")]
    assert_none([problem for file in pinned for problem in loose_pins(file)])


def test_makefile__describes_each_target_that_one_calls() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    described = set(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
    assert phony is not None
    assert set(phony[1].split()) - {"moved"} == described


# In parts, so that this file names no registry either.
@pytest.mark.parametrize(
    "host", ["https://pypi" + ".org/simple", "npm: registry.npmjs" + ".org", "docker" + ".io/x"]
)
def test_registries__finds_hosts(host: str) -> None:
    assert len(registries(File("docs/guide/plant.md", f"One\n{host}\n"))) == 1


@pytest.mark.parametrize(
    ("line", "problems"),
    [
        ("cd /root/meshplane", 1),
        ("open('/home/ada/x.csv')", 1),
        ("file:///work/main", 1),
        ("see `/opt`", 1),
        ("https://example.org/work/plans", 0),
        ("s3://{bucket}/work/plans", 0),
        ("GET /workflows", 0),
        ("./root/x", 0),
    ],
)
def test_machine_paths__tells_a_disk_from_an_address(line: str, problems: int) -> None:
    assert len(machine_paths(File("docs/guide/plant.md", f"{line}\n"))) == problems


def test_machine_paths__allows_what_the_list_gives_a_reason_for() -> None:
    text = "WORKDIR /opt/meshplane\nCOPY . /opt/other\n"
    assert machine_paths(File("deploy/image/Dockerfile", text)) == [
        "deploy/image/Dockerfile:2: /opt/ is a path of one machine"
    ]


def test_dead_links__finds_missing_files_and_headings() -> None:
    others = {"docs/plant.md": "# The plant's `roots`\n", "README.md": ""}
    text = "[a](../README.md) [b](#the-plants-roots) [c](https://x.org) [d](gone.md) [e](#gone)\n"
    text += "[f](../../outside.md)\n```\n[g](in-code.md)\n```\n"
    assert dead_links(File("docs/plant.md", text), others) == [
        "docs/plant.md: gone.md leads nowhere",
        "docs/plant.md: #gone names no heading of docs/plant.md",
        "docs/plant.md: ../../outside.md leads nowhere",
    ]


def test_unknown_targets__reads_commands_and_not_prose() -> None:
    text = "We make things.\n```\nmake run\n$ make water\n```\n"
    text += "Or `make setup test`, `PYTHON=x make dig`."
    assert unknown_targets(File("README.md", text), "run:\nsetup: x\ntest:\n") == [
        "README.md: make water does not exist",
        "README.md: make dig does not exist",
    ]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("plant==1.0 \\\n    --hash=sha256:" + "a" * 64, 0),
        ("plant[seed]==1.0 ; python_version < '3.12' \\\n    --hash=sha256:" + "a" * 64, 0),
        ("plant==1.0", 1),
        ("plant>=1.0 --hash=sha256:" + "a" * 64, 1),
        ("--index-url https://example.org/simple", 1),
        ("plant @ https://example.org/plant.whl --hash=sha256:" + "a" * 64, 1),
    ],
)
def test_loose_pins__wants_a_version_and_a_hash(text: str, problems: int) -> None:
    assert len(loose_pins(File("requirements/plant.txt", f"# Plants\n{text}\n"))) == problems
