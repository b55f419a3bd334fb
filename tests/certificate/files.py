"""The files of a unit: the examples that are shipped, changed."""

from collections.abc import Mapping
from pathlib import Path

CONFIG = Path(__file__).parents[2] / "config"
UNIT = """
[session]
programme = "activation"
[stream]
name = "amplifier"
type = "sEMG"
rate_hz = 500
labels = ["a", "tibialis anterior", "b", "soleus"]
rail_uv = 100000
[control]
socket = "/nowhere/control.sock"
"""


def write(
    folder: Path, unit: str = UNIT, *, guard: Mapping[str, str] | None = None, patient: str = ""
) -> tuple[Path, Path]:
    """nmesd.toml and guard.toml. guard: what of the example becomes what."""
    (folder / "programmes").mkdir(exist_ok=True)
    programme = "programmes/activation.toml"
    (folder / programme).write_text((CONFIG / programme).read_text())
    (folder / "patient.toml").write_text(patient or (CONFIG / "patient.toml").read_text())
    (folder / "nmesd.toml").write_text(unit)
    text = (CONFIG / "guard.toml").read_text()
    for old, new in (guard or {}).items():
        assert old in text
        text = text.replace(old, new)
    (folder / "guard.toml").write_text(text)
    return folder / "nmesd.toml", folder / "guard.toml"
