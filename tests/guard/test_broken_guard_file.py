"""Hundreds of broken guard.toml: none is accepted, none is a traceback, each message names its line."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmesd.drivers import DRIVERS, gated, make_driver
from nmesd.errors import ConfigError
from nmesd.guard.config import _TABLES, read_config
from nmesd.guard.limits import RULES
from nmesd.toml import UNITS, unit_of

SHIPPED = (Path(__file__).parents[2] / "config" / "guard.toml").read_text()
# One with everything that a file can have.
SOUND = SHIPPED.replace("# [gate]\n# chip", "[gate]\nchip").replace("\n# line", "\nline")
SOUND = (
    SOUND.replace("\n# toggle_ms", "\ntoggle_ms")
    .replace('"nmesd" ', '"root"')
    .replace("# cl", "cl")
)
KEY = re.compile(r"^(\w+) = ([^#\n]*?)( *#.*)?$")
NOT_A_NUMBER = ('"many"', "true", "[1]", "nan", "inf", "-1e9", "1e9", "0x", "1,5", "1979-05-27")
NOT_A_TEXT = ("3", "true", "[1]", '"unclosed', "yes", '""', "{}")
NOT_A_LIST = ("3", "[true]", "[0]", "[9]", "[]", "[1 2]", '["1"]', "[[1]]")


class Broken(NamedTuple):
    """The file with one line spoilt."""

    line: int
    text: str


def spoilt() -> Iterator[Broken]:
    """Each line in each way that fits it."""
    lines = SOUND.splitlines()
    for number, line in enumerate(lines, 1):
        for bad in _spoil(line):
            yield Broken(number, "\n".join([*lines[: number - 1], bad, *lines[number:]]) + "\n")


def _spoil(line: str) -> Iterator[str]:
    if match := KEY.match(line):
        key, value = match[1], match[2]
        yield f"{key}x = {value}"
        yield f"{key} {value}"
        yield f"{key} = "
        yield f"{key} = {value}\n{key} = {value}"  # twice
        wrong = {"[": NOT_A_LIST, '"': NOT_A_TEXT}.get(value[0], NOT_A_NUMBER)
        yield from (f"{key} = {bad}" for bad in wrong)
    elif line.startswith("["):
        yield line.replace("]", "x]", 1)
        yield line.replace("]", "", 1)
        yield re.sub(r"\]( *#.*)?$", r"] x\1", line)
        yield f"[{line}]"


BROKEN = list(spoilt())


def test_there_are_more_than_two_hundred_and_the_file_is_sound_before(tmp_path: Path) -> None:
    assert len(BROKEN) > 250
    path = tmp_path / "guard.toml"
    path.write_text(SOUND)
    assert "behind a gate on line 27" in read_config(path).driver.identify()


def test_each_is_refused_and_names_its_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "guard.toml"
    accepted, unnamed = [], []
    for broken in BROKEN:
        path.write_text(broken.text)
        spoilt_line = broken.text.splitlines()[broken.line - 1]
        try:
            read_config(path)
        except ConfigError as error:
            lines = str(error).splitlines()
            named = [re.match(rf"{re.escape(str(path))}:(\d+): .+: .+", line) for line in lines]
            if not all(named) or not any(
                match and int(match[1]) in (broken.line, broken.line + 1) for match in named
            ):
                unnamed.append((broken.line, spoilt_line, lines))
        else:
            accepted.append((broken.line, spoilt_line))
    assert accepted == []
    assert unnamed == []


@given(
    data=st.dictionaries(
        st.sampled_from([*_TABLES, "other"]),
        st.recursive(
            st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["driver", "channels", "line", "rate_hz"]), inner)
            ),
            max_leaves=5,
        ),
    )
)
def test_whatever_a_file_holds_it_is_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "whatever.toml"
    path.write_text("".join(f"{key} = {_inline(value)}\n" for key, value in data.items()))
    with pytest.raises(ConfigError, match=re.escape(f"{path}:")):
        read_config(path)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_inline(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    return json.dumps(value).replace("\x7f", "\\u007f")


@pytest.mark.parametrize("text", ["x = " + "1" * 5000, "x = " + "[" * 5000])
def test_what_python_itself_gives_up_on_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "guard.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"guard.toml:1: cannot be read: .*see the file in"):
        read_config(path)


def test_every_key_with_a_unit_in_its_name_is_told_with_it() -> None:
    without = {rule.key for rule in RULES if not unit_of(rule.key)}
    assert without == {"channels_at_once"}
    assert {unit_of(rule.key) for rule in RULES} - {""} <= set(UNITS.values())


def schema() -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "nmesd.cli", "schema", "guard"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_editors_get_a_schema_with_the_same_tables_keys_and_bounds() -> None:
    told = schema()
    assert told["additionalProperties"] is False
    assert set(told["properties"]) == set(_TABLES)
    assert set(told["required"]) == {"stimulator", "electrodes", "guard"}
    limits = told["properties"]["limits"]["properties"]
    assert {
        (key, one["minimum"], one["maximum"], one["default"]) for key, one in limits.items()
    } == {(rule.key, rule.floor, rule.ceiling, rule.default) for rule in RULES}
    stimulators = told["properties"]["stimulator"]["oneOf"]
    assert {one["properties"]["driver"]["const"] for one in stimulators} == set(DRIVERS)
    for one in stimulators:
        assert one["additionalProperties"] is False
        name = one["properties"]["driver"]["const"]
        own = (
            {"trigger_line": 1, "set_amplitude_ua": 1, "set_pulse_width_us": 1}
            if name == "gpio"
            else {}
        )
        options = type(make_driver(name, "x", own)).OPTIONS  # type: ignore[attr-defined]
        assert set(one["properties"]) == {"driver", "port", "level", "channels", *options}
        needed = {key for key, option in options.items() if option.default is None}
        assert set(one["required"]) == {"driver", "port", "channels", *needed}
    assert set(told["properties"]["gate"]["properties"]) == set(gated.OPTIONS)
    (gpio,) = [one["properties"] for one in stimulators if "set_rate_mhz" in one["properties"]]
    assert gpio["set_rate_mhz"]["anyOf"] == [{"const": 0}, {"minimum": 1000, "maximum": 100_000}]
    assert (gpio["gate_line"]["minimum"], gpio["set_pulse_width_us"]["maximum"]) == (-1, 500)
    assert told["properties"]["gate"]["properties"]["toggle_ms"]["maximum"] == 10
