# SPDX-License-Identifier: BSD-2-Clause
"""Configurations in files are whole, and of the types that their fingerprint is computed of."""

from __future__ import annotations

import pytest

from celosia_hw.config import AcceleratorConfig, ConfigError

RECORD = AcceleratorConfig(weight_depth=1024).to_dict()


def test_a_record_is_the_configuration() -> None:
    config = AcceleratorConfig.from_record(RECORD)
    assert config.to_dict() == RECORD
    assert config.fingerprint == AcceleratorConfig(weight_depth=1024).fingerprint


@pytest.mark.parametrize("name", RECORD)
def test_nothing_has_a_default_in_a_file(name: str) -> None:
    rest = {key: value for key, value in RECORD.items() if key != name}
    with pytest.raises(ConfigError, match=f"missing parameters of an accelerator: {name}"):
        AcceleratorConfig.from_record(rest)


@pytest.mark.parametrize("name", RECORD)
@pytest.mark.parametrize("value", [None, [], {}, 4.5, "x", 1e308, 10**400])
def test_other_types_and_ranges_are_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=name):
        AcceleratorConfig.from_record({**RECORD, name: value})


def test_what_only_equals_is_refused() -> None:
    for name, value in {"output_channels": 4.0, "scratch_single_port": 1}.items():
        assert value == RECORD[name]
        with pytest.raises(ConfigError, match=f"{name} must be of type"):
            AcceleratorConfig.from_record({**RECORD, name: value})
    with pytest.raises(ConfigError, match="unknown parameters of an accelerator: size"):
        AcceleratorConfig.from_record({**RECORD, "size": 1})
