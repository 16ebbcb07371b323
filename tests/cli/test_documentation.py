# SPDX-License-Identifier: BSD-2-Clause
"""Documentation names every command, option and key that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import celosia
from celosia.cli.app import celosia as program
from celosia_sim.simulate import SimulationResult

ROOT = Path(__file__).resolve().parents[2]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_readme_names_every_command() -> None:
    readme = text("README.md")
    for name in program.commands:
        assert f"`celosia {name}" in readme


def test_commands_in_the_documents_exist() -> None:
    for document in (
        "README.md",
        "docs/files.md",
        "docs/README.md",
        "docs/boards.md",
        "docs/host.md",
        "examples/digits/README.md",
    ):
        for line in re.findall(r"celosia (\w+) [^`\n]*", text(document)):
            assert line in program.commands or line in ("COMMAND",), (document, line)
        for command, rest in re.findall(r"^ *celosia (\w+) ([^\n]*)$", text(document), re.M):
            known = {name for option in program.commands[command].params for name in option.opts}
            assert set(re.findall(r"(?<= )--?[\w-]+", rest)) <= known, (document, rest)


def test_every_key_of_the_manifest_is_described(digits: Path, tmp_path: Path) -> None:
    manifest = celosia.generate(digits / "digits.tflite", board="icebreaker", output=tmp_path / "o")
    document = text("docs/files.md").split("## What `celosia simulate` writes")[0]
    for key in manifest:
        assert f"`{key}`" in document, key
    for key in manifest["layers"][0]:
        assert f"`{key}`" in document, key


def test_every_key_of_a_simulation_is_described() -> None:
    document = text("docs/files.md").split("## What `celosia simulate` writes")[1]
    for key in SimulationResult.__dataclass_fields__:
        if key != "outputs":
            assert f"`{key}`" in document, key


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        "docs/README.md",
        "docs/files.md",
        "docs/boards.md",
        "docs/host.md",
        "examples/digits/README.md",
    ],
)
def test_links_lead_to_files(document: str) -> None:
    folder = (ROOT / document).parent
    for target in re.findall(r"\]\(([^)#]+)", text(document)):
        if "://" not in target:
            assert (folder / target).exists(), target


def test_folders_in_the_readme_exist() -> None:
    for folder in re.findall(r"^\| `((?:gen|hw|sim)/[\w/]+)` \|", text("README.md"), re.M):
        assert (ROOT / folder).is_dir(), folder
