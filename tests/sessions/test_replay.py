"""A replay comes to the same decisions, number by number, and shows the first that differs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsp.chain import Chain
from dsp.coefficients import ChainCoefficients
from dsp.hops import HopCutter
from nmesd.core.decider import Decider
from nmesd.core.values import Arm, Disarm, Mode, ModeChanged, SetOutput, Trip
from nmesd.daemon.engine_config import engine_settings
from nmesd.errors import Reason
from nmesd.sessions.folder import Folder, Writer
from nmesd.sessions.replay import decide_again, first_difference, in_words, replay
from nmesd.sim.session_files import files_of, one_muscle
from nmesd.wire import Raw
from tests.sessions.records import with_emg, with_settings

RATE_HZ = 1000
RAIL_UV = 5000.0
SETTINGS = engine_settings(
    files_of(
        {
            "stream": {
                "name": "x",
                "rate_hz": RATE_HZ,
                "labels": ["other", "muscle"],
                "rail_uv": RAIL_UV,
            },
            **one_muscle(
                "muscle",
                {"on_uv": 10, "off_uv": 7},
                {
                    "amplitude_ma": 10,
                    "ramp_up_s": 0.1,
                    "plateau_s": 0.2,
                    "ramp_down_s": 0.1,
                    "hold_off_s": 0.25,
                    "relax_s": 0.1,
                },
            ),
        }
    )
)


def emg(seconds: float = 8) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Rest of 2 uV with tries of 40 uV in seconds 3 and 5; the other channel is loud all the time."""
    rng = np.random.default_rng(1)
    out = rng.normal(0, 2, (int(seconds * RATE_HZ), 2))
    out[:, 0] *= 100
    for start in (3000, 5000):
        out[start : start + 700, 1] *= 20
    return out.astype(np.float32)


def session(
    folder: Path,
    chunks: Sequence[int],
    *,
    new_epoch_at: int | None = None,
    stuck_at: int | None = None,
    stuck_uv: float = RAIL_UV,
) -> Folder:
    """A session recorded as the engine does, the stream cut into chunks of these lengths by turns."""
    assert SETTINGS.chain is not None
    coefficients = ChainCoefficients.from_dict(SETTINGS.chain)
    cutter = HopCutter(coefficients.hop_samples, 1)
    samples, position, turn, epoch = emg(), 0, 0, 1
    if stuck_at is not None:
        samples[stuck_at : stuck_at + 300, 1] = stuck_uv
    with Writer(folder, {}, SETTINGS.to_json()) as writer:
        decider = Decider(Chain(coefficients, 1), SETTINGS.core, writer.entry)
        decider.restart_chain()
        while position < len(samples):
            if new_epoch_at is not None and position >= new_epoch_at and epoch == 1:
                epoch = 2
                cutter.clear()
                decider.restart_chain()
            part = samples[position : position + chunks[turn % len(chunks)]]
            stamps_ns = np.arange(position, position + len(part), dtype=np.int64) * 1_000_000
            for hop in cutter.cut(part[:, 1:2]):
                decider.hop(hop)
                if decider.hops == 1000:
                    decider.act(Arm(decider.t_ns, 7, 0))
            payload = stamps_ns.tobytes() + part.tobytes()
            writer.raw(Raw(epoch, position, len(part), 2, 0, payload))
            position, turn = position + len(part), turn + 1
        decider.act(Trip(decider.t_ns, Reason.EMG_STALE, 1, 2))  # after the last sample
        decider.act(Disarm(decider.t_ns, 7))
    return Folder(folder)


@pytest.mark.parametrize("chunks", [(4,), (1, 7, 250), (1000,)])
def test_it_comes_to_the_same_however_the_stream_was_cut(
    chunks: Sequence[int], tmp_path: Path
) -> None:
    folder = session(tmp_path / "s", chunks)
    entries = list(folder.entries())
    modes = [entry.after for _, entry in entries if isinstance(entry, ModeChanged)]
    assert modes.count(Mode.STIMULATING) == 2  # there is something to compare
    result = replay(folder)
    assert result.diverged is None
    assert result.hops == 8 * RATE_HZ
    assert result.entries == len(entries) > 20


def test_a_stream_that_started_afresh_is_replayed_so(tmp_path: Path) -> None:
    folder = session(tmp_path / "s", (4,), new_epoch_at=3200)
    assert replay(folder).diverged is None
    as_if_not = [chunk._replace(epoch=1) for chunk in folder.emg()]
    other = with_emg(folder, tmp_path / "t", as_if_not, SETTINGS.to_json())
    assert replay(other).diverged is not None


def trips(folder: Folder) -> list[Reason]:
    return [e.reason for _, e in folder.entries() if isinstance(e, ModeChanged) and e.reason]


@pytest.mark.parametrize("chunks", [(4,), (1, 7, 250)])
@pytest.mark.parametrize(
    ("stuck_uv", "reason"), [(RAIL_UV, Reason.EMG_RAILED), (5.0, Reason.EMG_FLAT)]
)
def test_rail_and_flat_trip_again_in_the_replay(
    stuck_uv: float, reason: Reason, chunks: Sequence[int], tmp_path: Path
) -> None:
    folder = session(tmp_path / "s", chunks, stuck_at=3200, stuck_uv=stuck_uv)  # in a train
    assert trips(folder) == [reason]
    assert replay(folder).diverged is None


def test_a_record_from_before_rail_and_flat_replays_as_it_was_decided(tmp_path: Path) -> None:
    folder = session(tmp_path / "s", (4,), stuck_at=3200)

    def before(settings: dict[str, Any]) -> None:
        del settings["chain"]["rail_uv"], settings["chain"]["flat_hops"]

    again = decide_again(with_settings(folder.path, before))
    reasons = [e.reason for _, e in again.journal if isinstance(e, ModeChanged) and e.reason]
    assert reasons == [Reason.EMG_STALE]  # the session's last act, and nothing of the rail


def test_a_changed_sample_is_found(tmp_path: Path) -> None:
    folder = session(tmp_path / "s", (4,))
    chunks = list(folder.emg())
    changed = chunks[3050 // 4].samples.copy()
    changed[0, 1] = 400  # the muscle's channel, in the middle of a try
    chunks[3050 // 4] = chunks[3050 // 4]._replace(samples=changed)
    diverged = replay(with_emg(folder, tmp_path / "t", chunks, SETTINGS.to_json())).diverged
    assert diverged is not None
    _, recorded, again = diverged
    assert recorded != again
    assert recorded is not None
    assert isinstance(recorded[1], SetOutput)


def test_other_settings_part_at_the_first_attempt(tmp_path: Path) -> None:
    folder = session(tmp_path / "s", (4,))

    def over_every_try(settings: dict[str, Any]) -> None:
        settings["core"]["muscles"][0]["on_nv"] = 200_000

    diverged = replay(with_settings(folder.path, over_every_try)).diverged
    assert diverged is not None
    index, recorded, again = diverged
    entries = list(folder.entries())
    first = next(i for i, (_, entry) in enumerate(entries) if isinstance(entry, SetOutput))
    assert (index, recorded) == (first, entries[first])
    assert again is not None
    assert isinstance(again[1], Trip)  # nothing more happens before it


@pytest.mark.parametrize("factor", [1.02, 1 + 1e-4])
def test_a_changed_coefficient_is_found_where_it_first_counts(
    factor: float, tmp_path: Path
) -> None:
    folder = session(tmp_path / "s", (4,))
    assert replay(folder).diverged is None

    def change(settings: dict[str, Any]) -> None:
        settings["chain"]["envelope_sos"][0][0] *= factor

    found = replay(with_settings(folder.path, change))
    assert found.diverged is not None
    index, recorded, again = found.diverged
    entries = list(folder.entries())
    assert recorded == entries[index] != again
    assert decide_again(Folder(folder.path)).journal[:index] == entries[:index]
    told = found.to_dict()["diverged"]
    assert told["recorded"]["hop"] >= 3000  # where the envelope first stands beside a decision
    lines = in_words(found)
    numbers = {
        key: (told["recorded"].get(key), told["replayed"].get(key)) for key in told["recorded"]
    }
    differing = {key: both for key, both in numbers.items() if both[0] != both[1]}
    for key, (one, other) in differing.items():
        assert any(line.split() == [key, str(one), str(other)] for line in lines)
    assert differing


def test_a_difference_is_also_one_that_is_missing_or_of_another_kind() -> None:
    one, two = (3, Disarm(1, 2)), (4, Disarm(5, 2))
    assert first_difference([one, two], [one, two]) is None
    assert first_difference([one, two], [one]) == (1, two, None)
    assert first_difference([one], [one, two]) == (1, None, two)
    assert first_difference([one], [two]) == (0, one, two)
    # equal as tuples, and yet not the same
    like = (3, ModeChanged(1, Mode(2), Mode(2), *([0] * 4)))  # type: ignore[arg-type]
    same = (3, type("Other", (ModeChanged,), {})(*like[1]))
    assert first_difference([like], [same]) == (0, like, same)


def test_a_session_without_emg_replays_by_its_ticks(tmp_path: Path) -> None:
    cyclic = {
        "purpose": "x", "kind": "cyclic", "train": {"plateau_s": 0.2, "ramp_up_s": 0.1, "ramp_down_s": 0.1},
        "trial": {"rest_s": 0.6}, "session": {"trials": 2},
    }  # fmt: skip
    person = {
        "code": "x",
        "muscle": [{"label": "x", "output": [{"channel": 1, "amplitude_ma": 9}]}],
    }
    settings = engine_settings(files_of({"patient": person, "programme": cyclic}))
    with Writer(tmp_path / "s", {}, settings.to_json()) as writer:
        decider: Decider[None] = Decider(None, settings.core, writer.entry)
        for _ in range(100):
            decider.tick()
        decider.act(Arm(decider.t_ns, 7, 0))
        for _ in range(3000):
            decider.tick()
    folder = Folder(tmp_path / "s")
    result = replay(folder)
    assert result.diverged is None
    assert result.entries > 10

    def later(settings: dict[str, Any]) -> None:
        settings["core"]["programme"]["rest_ns"] += 1_000_000

    assert replay(with_settings(folder.path, later)).diverged is not None
