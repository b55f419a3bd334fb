"""EDF and BDF recordings, also EDF+ and BDF+ without gaps (edfplus.info)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nmesd.errors import RecordError
from nmesd.sessions.found import Found, is_voltage, microvolts


def read_edf(path: Path) -> Found:
    """16-bit samples. Raises RecordError."""
    return _read(path, "read_edf")


def read_bdf(path: Path) -> Found:
    """24-bit samples. Raises RecordError."""
    return _read(path, "read_bdf")


def _read(path: Path, reader: str) -> Found:
    import edfio  # noqa: PLC0415 - needed for these files only

    try:
        file = getattr(edfio, reader)(path)
        signals = _chosen(path.name, list(file.signals))
        if not file.is_continuous:
            raise RecordError(f"{path.name}: has gaps (EDF+D): cut the recording there")
        columns = [
            np.asarray(signal.data, dtype=np.float64)
            * microvolts(path.name, signal.label, signal.physical_dimension)
            for signal in signals
        ]
    except RecordError:
        raise
    except Exception as error:  # noqa: BLE001 - edfio raises whatever its parsing does
        raise RecordError(f"{path.name}: not readable ({error!r}): save it again") from None
    return Found(
        np.column_stack(columns),
        float(signals[0].sampling_frequency),
        tuple(signal.label for signal in signals),
        None,
    )


def _chosen(name: str, signals: list[Any]) -> list[Any]:
    """Those named EMG, else those that are voltages; of one rate."""
    emg = [signal for signal in signals if "emg" in signal.label.lower()]
    chosen = emg or [signal for signal in signals if is_voltage(signal.physical_dimension)]
    said = [f"{s.label} ({s.physical_dimension}, {s.sampling_frequency:g} Hz)" for s in signals]
    if not chosen:
        raise RecordError(
            f"{name}: no signal is EMG or a voltage; found {', '.join(said) or 'none'}"
        )
    if len({signal.sampling_frequency for signal in chosen}) > 1:
        raise RecordError(
            f"{name}: signals of different rates: {', '.join(said)}: name those of the muscles EMG, "
            "or save them alone"
        )
    return chosen
