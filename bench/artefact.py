"""Does a train trigger the next? A thousand trains of the virtual patient, at full amplitude.

    python bench/artefact.py [--trains 1000] [--json FILE]

In sample time, with the shortest pauses that a programme allows. After each train the patient lies still or goes
on trying; the amplifier recovers quickly or slowly. A train that no new attempt asked for begins outside every
attempt, or is a second one in the same. It is a *re-trigger* unless the same patient, of whom the EMG hears
nothing of the stimulation (no artefact, no M-wave), gives it too, at the same time: then it is a false alarm of
rest, of which the threshold allows 0.2 a minute. Exit code 1 if there is any re-trigger.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress

from nmesd.daemon.engine_config import engine_settings
from nmesd.daemon.settings import FilterSection
from nmesd.daemon.thresholds import from_rest
from nmesd.engine.settings import EngineSettings
from nmesd.sessions.recording import Recording
from nmesd.sim.sample_time import Outcome, run
from nmesd.sim.session_files import files_of, one_muscle
from nmesd.sim.spec import PatientSpec
from nmesd.sim.virtual_patient import VirtualPatient

FULL_MA: Final = 130.0  # the ceiling of patient.toml
SHORTEST: Final = {
    "amplitude_ma": FULL_MA,
    "ramp_up_s": 0.1,
    "plateau_s": 0.4,
    "ramp_down_s": 0.1,
    "hold_off_s": 0.25,
    "relax_s": 0.1,
}
REST_S: Final = 20.0
SAME_S: Final = 0.02
UNTOUCHED: Final[dict[str, Any]] = {"artefact_uv_per_ma": 0.0, "m_wave_uv": 0.0}
# Attempts are shorter than a train and its pause: a second train in one attempt is nobody's wish.
QUICK: Final[dict[str, Any]] = {
    "first_attempt_s": 3.0, "interval_s": 2.4, "interval_jitter_s": 0.3,
    "duration_s": 0.8, "duration_jitter_s": 0.1,
}  # fmt: skip
PATIENTS: Final[dict[str, dict[str, Any]]] = {
    "amplifier recovers in 2 ms": {},
    "in 20 ms": {"recovery_tau_ms": 20.0},
    "in 100 ms": {"recovery_tau_ms": 100.0},
    "in 20 ms, weak attempts (6 dB), mains": {
        "recovery_tau_ms": 20.0,
        "attempt_db": 6.0,
        "mains_uv": 9.0,
    },
}


def settings_for(spec: PatientSpec, train: dict[str, float]) -> EngineSettings:
    """Thresholds from the patient's own rest."""
    resting = PatientSpec(
        **{**{f: getattr(spec, f) for f in spec.__dataclass_fields__}, "first_attempt_s": 1e6}
    )
    emg_uv = VirtualPatient(resting).generate(int(REST_S * spec.rate_hz))
    rest = Recording(emg_uv[:, :1], spec.rate_hz, ("x",), (), "rest")
    found = from_rest(rest, REST_S, FilterSection())
    return engine_settings(
        files_of(
            {
                "stream": {"name": "x", "rate_hz": spec.rate_hz, "labels": ["x"]},
                **one_muscle("x", found.section, train),
            }
        )
    )


def re_triggers(
    false: list[float], untouched: PatientSpec, settings: EngineSettings
) -> list[float]:
    """Those that are not there if nothing of the stimulation is heard."""
    if not false:
        return []
    alone = run(untouched, settings, false[-1] + 1.0).false()
    return [s for s in false if all(abs(s - other) > SAME_S for other in alone)]


def main() -> int:
    """Print the table; 1 if any train triggered another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--trains", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows, each = [], -(-options.trains // len(PATIENTS))
    with Progress(console=Console(stderr=True)) as bars:
        for name, more in PATIENTS.items():
            bar = bars.add_task(name, total=each)
            spec = PatientSpec(**{**QUICK, **more})
            settings = settings_for(spec, SHORTEST)
            outcome: Outcome = run(
                spec, settings, 1e6, most_trains=each,
                show=lambda n, bar=bar: bars.update(bar, completed=n),  # type: ignore[misc]
            )  # fmt: skip
            false = outcome.false()
            again = re_triggers(false, PatientSpec(**{**QUICK, **more, **UNTOUCHED}), settings)
            rows.append({
                "patient": name, "trains": len(outcome.trains), "attempts": len(outcome.attempts),
                "answered": outcome.answered(), "false_alarms": len(false) - len(again), "re_triggers": len(again),
                "pulses": outcome.pulses, "trip": outcome.trip,
            })  # fmt: skip
    columns = ("patient", "trains", "attempts", "answered", "false_alarms", "re_triggers")
    print(f"| {' | '.join(columns).replace('_', ' ')} |\n|---|--:|--:|--:|--:|--:|")
    for row in rows:
        print(f"| {' | '.join(str(row[column]) for column in columns)} |")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    done = all(row["trains"] >= each for row in rows)
    return 0 if done and not any(row["re_triggers"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
