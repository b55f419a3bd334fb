"""The certificate's bench is the unit's: stream, filters, muscles, thresholds, lease, limits, stimulator."""

from pathlib import Path

import numpy as np
import pytest

from nmesd.certificate.setup import SERVICE_NICE, read_setup
from nmesd.daemon.settings import FilterSection
from nmesd.daemon.thresholds import from_rest
from nmesd.errors import ConfigError
from nmesd.sessions.recording import Recording
from nmesd.sim.virtual_patient import VirtualPatient
from tests.certificate.files import CONFIG, UNIT, write

WEAK = """
code = "P7"
[[muscle]]
label = "tibialis anterior"
on_uv = 40
off_uv = 12
[[muscle.output]]
channel = 1
amplitude_ma = 12
"""
LEVEL = 'level = "dry-run"'


def test_the_examples_that_are_shipped_can_be_certified() -> None:
    setup = read_setup(CONFIG / "nmesd.toml", CONFIG / "guard.toml", "sim")
    assert setup.labels == ("tibialis anterior", "soleus")


def test_stream_lease_and_muscles_are_the_unit_s(tmp_path: Path) -> None:
    setup = read_setup(*write(tmp_path, UNIT + "[guard]\nlease_ms = 30\n"), "sim")
    stream = setup.sections["stream"]
    assert (stream["type"], stream["rate_hz"], stream["rail_uv"]) == ("sEMG", 500, 100000)
    assert list(stream["labels"]) == ["a", "tibialis anterior", "b", "soleus"]
    assert (setup.spec.rate_hz, setup.spec.channels, setup.spec.rail_uv) == (500, 4, 100000)
    assert setup.lease_ms == setup.sections["guard"]["lease_ms"] == 30
    (muscle,) = setup.sections["patient"]["muscle"]
    assert (muscle["label"], muscle["antagonist"], muscle["on_uv"]) == (
        "tibialis anterior",
        "soleus",
        12,
    )


def test_limits_are_the_unit_s_but_for_those_of_a_person(tmp_path: Path) -> None:
    changed = {"amplitude_ma = 30": "amplitude_ma = 7", "rest_s = 1 ": "rest_s = 60 "}
    setup = read_setup(*write(tmp_path, guard=changed), "sim")
    assert setup.rig["limits"]["amplitude_ma"] == 7
    assert "rest_s" not in setup.rig["limits"]
    assert setup.rig["area_cm2"] == 25


def test_its_rest_is_as_far_below_the_thresholds_as_a_calibration_has_it(tmp_path: Path) -> None:
    """Then attempts are decided on and rest is not, whatever thresholds a unit has."""
    setup = read_setup(*write(tmp_path, patient=WEAK), "sim")
    emg_uv = VirtualPatient(setup.spec).generate(10 * 500)[:, :1].astype(np.float32)
    found = from_rest(Recording(emg_uv, 500, ("rest",), (), "rest"), 10.0, FilterSection())
    assert found.on_uv <= 40 * 1.05
    assert found.off_uv <= 12 * 1.05
    assert found.on_uv > 40 / 1.05 or found.off_uv > 12 / 1.05  # not further than it must
    assert setup.spec.rest_uv * 10 ** (setup.spec.attempt_db / 20) > 2 * 40


def test_the_amplitude_is_the_patient_s_as_the_device_codes_it(tmp_path: Path) -> None:
    files = write(
        tmp_path, patient=WEAK.replace("= 12\n", "= 5\n", 1).replace("ma = 12", "ma = 12.3")
    )
    assert read_setup(*files, "sim").amplitude_ma == 12.3
    assert read_setup(*files, "p24").amplitude_ma == 12.5
    assert read_setup(*files, "rehastim2").amplitude_ma == 12


def test_real_current_is_the_least_there_is(tmp_path: Path) -> None:
    real = {'driver = "null"': 'driver = "sciencemode4"', LEVEL: 'level = "full"'}
    setup = read_setup(*write(tmp_path, guard=real, patient=WEAK), "real")
    assert setup.amplitude_ma == 0.5
    assert (setup.rig["driver"], setup.rig["port"]) == ("sciencemode4", "none")


@pytest.mark.parametrize(
    ("guard", "device", "says"),
    [
        ({}, "real", 'driver = "null": there is no real device'),
        ({'driver = "null"': 'driver = "sciencemode4"'}, "real", 'level = "dry-run": nothing would be given'),
        ({}, "p25", "'p25': must be sim, p24, rehastim2 or real"),
        ({"amplitude_ma = 30": "amplitude_ma = 4"}, "sim", "amplitude over the limit"),
        ({"rate_hz = 50": "rate_hz = 20"}, "sim", "pulse rate over the limit"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(
    guard: dict[str, str], device: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=says):
        read_setup(*write(tmp_path, guard=guard), device)


def test_the_daemon_is_as_nice_as_the_service(repo_root: Path) -> None:
    service = (repo_root / "systemd" / "nmesd.service").read_text()
    assert f"\nNice={SERVICE_NICE}\n" in service


def test_a_unit_without_a_stream_has_no_certificate(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs a \[stream\]"):
        read_setup(*write(tmp_path, '[session]\nprogramme = "activation"\n'), "sim")
