"""The session of a soak: the virtual patient tries for as long as it lasts, and gets trains."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from nmesd.daemon.settings import FilterSection
from nmesd.daemon.thresholds import from_rest
from nmesd.sessions.recording import Recording
from nmesd.sim.rig import Child, Rig
from nmesd.sim.session_files import one_muscle
from nmesd.sim.spec import PatientSpec
from nmesd.sim.virtual_patient import VirtualPatient
from nmesd.units import NS_PER_MS

STREAM, MUSCLE = "soak", "target"
OPERATOR = "soak"
REST_S = 10.0  # the patient's rest that the thresholds are taken from
TRAIN = {"amplitude_ma": 20, "pulse_width_us": 250, "rate_hz": 35, "ramp_up_s": 0.5, "plateau_s": 1.5,
         "ramp_down_s": 0.5, "hold_off_s": 0.5, "relax_s": 0.5}  # fmt: skip
PAUSE_NS = 400 * NS_PER_MS  # longer than any period, shorter than hold-off: between two trains


def sections() -> dict[str, dict[str, Any]]:
    """The files, thresholds from the patient's own rest."""
    spec = PatientSpec(first_attempt_s=REST_S + 1)
    emg_uv = VirtualPatient(spec).generate(int(REST_S * spec.rate_hz)).astype(np.float32)
    found = from_rest(
        Recording(emg_uv, spec.rate_hz, (MUSCLE,), (), STREAM), REST_S, FilterSection()
    )
    stream = {
        "name": STREAM,
        "source_id": STREAM,
        "rate_hz": spec.rate_hz,
        "labels": [MUSCLE],
    }
    return {"stream": stream, **one_muscle(MUSCLE, found.section, TRAIN)}


def start_patient(rig: Rig) -> Child:
    """The patient, who feels what the stimulator gives."""
    return rig.start(
        "nmesd.sim.patient", "--name", STREAM, "--source-id", STREAM,
        "--pulses", str(rig.patient_socket), "--until-eof",
    )  # fmt: skip


def arm_again(rig: Rig) -> None:
    """After a trip, or a session whose time is over: the guard's own session ends with an operator's disarm."""
    rig.ask("reset", operator=OPERATOR)
    rig.ask("disarm", operator=OPERATOR)
    rig.arm(OPERATOR)


def given(rig: Rig) -> tuple[int, int]:
    """Pulses and trains, as the stimulator gave them."""
    given_ns = [pulse.given_ns for pulse in rig.currents()]
    return len(given_ns), sum(b - a > PAUSE_NS for a, b in pairwise([-PAUSE_NS, *given_ns]))
