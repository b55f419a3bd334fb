"""The virtual patient that fits the unit's thresholds: rest as far below them as a calibration would have it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import numpy as np

from nmesd.daemon.files import Files
from nmesd.daemon.thresholds import Thresholds, from_rest, thresholds
from nmesd.errors import ConfigError
from nmesd.sessions.recording import Recording
from nmesd.sim.spec import PatientSpec
from nmesd.sim.virtual_patient import VirtualPatient

REST_S: Final = 10.0  # of the reference that thresholds are taken from
NEVER_S: Final = 1e6  # attempts come on order alone


def person(files: Files) -> tuple[PatientSpec, dict[str, Thresholds]]:
    """Who is heard, and the thresholds of every muscle by its label, in microvolts. Raises ConfigError.

    Everything is linear: a rest k times as strong would have been calibrated to k times the threshold. So the
    reference is scaled until its thresholds are the unit's; the lowest decides where several differ.
    """
    stream, band = files.settings.stream, files.settings.filter
    if stream is None:
        raise ConfigError("without a [stream] there is nobody to be heard")
    base = PatientSpec(
        rate_hz=stream.rate_hz,
        mains_hz=band.mains_hz or 50,
        first_attempt_s=NEVER_S,
        interval_s=NEVER_S,
        rail_uv=stream.rail_uv or PatientSpec().rail_uv,
    )
    emg_uv = VirtualPatient(base).generate(round(REST_S * base.rate_hz)).astype(np.float32)
    rest = Recording(emg_uv, base.rate_hz, ("reference",), (), "reference")
    found = from_rest(rest, REST_S, band)
    wanted = {
        muscle.label: thresholds(muscle, stream.rate_hz, band, files.folder)
        if muscle.wanted
        else found
        for muscle in files.patient.muscle
    }
    scales = [one.on_uv / found.on_uv for one in wanted.values()]
    limits = [one.off_uv / found.off_uv for one in wanted.values()]
    limits += [muscle.veto_uv / found.on_uv for muscle in files.patient.muscle if muscle.veto_uv]
    scale = min(*scales, *limits)
    return (
        replace(
            base,
            channels=len(stream.labels),
            rest_uv=base.rest_uv * scale,
            mains_uv=base.mains_uv * scale,
            attempt_db=base.attempt_db + 20 * math.log10(max(scales) / scale),
        ),
        wanted,
    )
