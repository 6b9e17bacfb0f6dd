"""Every command that a page shows exists, with its options; the cheap ones are run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sim.cli.app import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
SHELLS = ("sh", "bash", "console", "shell")


def in_pages() -> Iterator[tuple[str, str]]:
    """(where, command) of every `fogfleet` line in the command blocks of the pages."""
    for page in PAGES:
        for language, block in re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            if language in SHELLS:
                for line in block.replace("\\\n", " ").splitlines():
                    if line.strip().removeprefix("$ ").startswith("fogfleet "):
                        yield page.name, line.strip().removeprefix("$ ")


def in_helps() -> Iterator[tuple[str, str]]:
    """The same of the examples in every command's help."""
    for name, command in app.commands.items():
        _, _, example = (command.help or "").partition("Example:")
        for line in example.splitlines():
            if line.strip().startswith("fogfleet "):
                yield f"{name} --help", line.strip()


def parse(line: str) -> None:
    """Parses a command line as the command would, without running anything.

    Raises:
        click.UsageError: no such command or option, or an argument is lacking.
    """
    words = shlex.split(line, comments=True)[1:]
    with click.Context(app, info_name="fogfleet") as context:
        name, command, rest = app.resolve_command(context, words)
        assert command is not None
        command.make_context(name, rest, parent=context)


def test_the_readme_shows_commands() -> None:
    assert sum(where == "README.md" for where, _ in in_pages()) >= 5


@pytest.mark.parametrize(("where", "line"), [*in_pages(), *in_helps()])
def test_the_command_exists_with_its_options(where: str, line: str) -> None:
    if not set(shlex.split(line, comments=True)) & {"--help", "--version"}:
        parse(line)


@pytest.mark.parametrize("line", ["fogfleet ruin a.yaml", "fogfleet run a.yaml --sed 3", "fogfleet run"])
def test_a_wrong_command_would_be_found(line: str) -> None:
    with pytest.raises(click.UsageError):
        parse(line)


def test_the_cheap_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cheap = [line for _, line in in_pages() if line.split()[1] in ("init", "validate", "faults", "schema")]
    assert len(cheap) >= 4
    for line in cheap:
        result = CliRunner().invoke(app, shlex.split(line, comments=True)[1:])
        assert result.exit_code == 0, f"{line}: {result.output}"


def test_the_readme_knows_every_exit_code() -> None:
    from sim.cli import exits

    table = re.findall(r"^\| (\d+)", exits.__doc__ or "", re.MULTILINE)
    readme = (ROOT / "README.md").read_text()
    assert table
    assert all(re.search(rf"^\| {code}\b", readme, re.MULTILINE) for code in table)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
