"""Other settings on a recorded session: trial beside trial, from a nmesd.toml or a patient.toml."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsp.chain import Chain
from dsp.coefficients import ChainCoefficients
from nmesd.core.decider import Decider
from nmesd.core.plain import core_settings
from nmesd.core.values import Arm
from nmesd.daemon.engine_config import load
from nmesd.daemon.other_settings import other_settings
from nmesd.errors import ConfigError, RecordError
from nmesd.sessions.folder import Folder, Writer
from nmesd.sessions.what_if import in_words, to_dict, what_if
from nmesd.sim.session_files import one_muscle, write_files
from nmesd.wire import Raw

RATE_HZ = 1000
TRAIN = {
    "amplitude_ma": 10, "ramp_up_s": 0.1, "plateau_s": 0.2, "ramp_down_s": 0.1, "hold_off_s": 0.25, "relax_s": 0.1,
}  # fmt: skip


def sections(on_uv: float, labels: tuple[str, ...] = ("muscle",), rate_hz: int = RATE_HZ) -> Any:
    stream = {"name": "x", "rate_hz": rate_hz, "labels": list(labels)}
    return {"stream": stream, **one_muscle(labels[0], {"on_uv": on_uv, "off_uv": 7}, TRAIN)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """Rest of 2 uV, a try of 40 uV in second 3 and one of 120 uV in second 5, by the files' own words."""
    root = tmp_path_factory.mktemp("recorded")
    config = load(write_files(root, sections(10)))
    data = json.loads(config.engine)
    emg = np.random.default_rng(1).normal(0, 2, (7 * RATE_HZ, 1))
    emg[3000:3700] *= 20
    emg[5000:5700] *= 60
    samples = emg.astype(np.float32)
    with Writer(root / "s", config.files.facts(), config.engine) as writer:
        chain = Chain(ChainCoefficients.from_dict(data["chain"]), 1)
        decider = Decider(chain, core_settings(data["core"]), writer.entry)
        decider.restart_chain()
        for n, sample in enumerate(samples.astype(np.float64)):
            if n == 1000:
                decider.act(Arm(decider.t_ns, 7, 0))
            decider.hop(sample[None, :])
        stamps_ns = np.arange(len(samples), dtype=np.int64) * 1_000_000
        writer.raw(Raw(1, 0, len(samples), 1, 0, stamps_ns.tobytes() + samples.tobytes()))
    return Folder(root / "s")


def test_a_higher_threshold_of_another_patient_file_hears_only_the_strong_try(
    folder: Folder, tmp_path: Path
) -> None:
    write_files(tmp_path, sections(60))
    other = other_settings(folder.session, tmp_path / "patient.toml")
    found = to_dict(what_if(folder, other))
    assert (found["recorded"]["trains"], found["other"]["trains"]) == (2, 1)
    assert [round(t["at_s"]) for t in found["recorded"]["trials"]] == [4, 6]
    assert [round(t["at_s"]) for t in found["other"]["trials"]] == [6]
    assert found["other"]["trials"][0]["on_uv"] == 60
    lines = in_words(what_if(folder, other))
    assert "trains: 2  ->  1" in lines[-3]
    assert lines[2].split()[-1] == "-"


def test_the_same_settings_come_to_the_same(folder: Folder, tmp_path: Path) -> None:
    found = what_if(folder, other_settings(folder.session, write_files(tmp_path, sections(10))))
    assert found.other.journal == found.recorded.journal
    sides = to_dict(found)
    assert sides["other"] == sides["recorded"]


def test_settings_that_do_not_fit_the_emg_are_refused(folder: Folder, tmp_path: Path) -> None:
    arm, fast = sections(10, ("arm",)), sections(10, rate_hz=2000)
    for wrong, words in ((arm, "not of arm"), (fast, "recorded at 1000 Hz")):
        other = other_settings(folder.session, write_files(tmp_path, wrong))
        with pytest.raises(RecordError, match=words):
            what_if(folder, other)


def test_a_file_that_is_wrong_is_said_so(folder: Folder, tmp_path: Path) -> None:
    path = tmp_path / "patient.toml"
    path.write_text("code = [")
    with pytest.raises(ConfigError, match="cannot be read"):
        other_settings(folder.session, path)
    path.write_text('code = "x"\nmuscle = []\n')
    with pytest.raises(ConfigError, match="there is no muscle"):
        other_settings(folder.session, path)
    path.write_text('code = "x"\n[[muscle]]\nlabel = "muscle"\n')
    with pytest.raises(RecordError, match="has not kept its"):
        other_settings({}, path)


def test_the_command_says_it_to_people_and_to_scripts(folder: Folder, tmp_path: Path) -> None:
    write_files(tmp_path, sections(60))
    arguments = ["replay", str(folder.path), "--settings", str(tmp_path / "patient.toml")]
    told, script = (
        subprocess.run(
            [sys.executable, "-m", "nmesd.cli", *arguments, *more],
            capture_output=True, text=True, check=True, timeout=60,
        ).stdout
        for more in ([], ["--json"])
    )  # fmt: skip
    assert "trains: 2  ->  1" in told
    assert json.loads(script)["other"]["trains"] == 1
