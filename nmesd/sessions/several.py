"""Which session folders are meant: those named, and those in a folder of sessions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nmesd.errors import RecordError
from nmesd.sessions.folder import Folder


def sessions_in(paths: Iterable[Path]) -> list[Folder]:
    """In the order they began. Raises RecordError if a path is neither."""
    found: dict[Path, Folder] = {}
    for path in paths:
        if not path.is_dir():
            raise RecordError(f"{path}: no such folder: name a session folder, or one of sessions")
        one = _session(path)
        inside = [one] if one else [_session(p) for p in sorted(path.iterdir()) if p.is_dir()]
        sessions = [session for session in inside if session is not None]
        if not sessions:
            Folder(path)  # says what is missing
        found |= {session.path.resolve(): session for session in sessions}
    return sorted(found.values(), key=lambda one: (str(one.session.get("started", "")), one.path))


def of_patient(sessions: Iterable[Folder], code: str) -> list[Folder]:
    """Those of one person: `code`, or the only one there is. Raises RecordError if that names nobody."""
    found = list(sessions)
    codes = sorted({str(one.session.get("patient", "")) for one in found})
    if not code and len(codes) > 1:
        raise RecordError(f"sessions of {', '.join(codes)}: name one of them with --patient CODE")
    if code and code not in codes:
        raise RecordError(f"no session of {code!r}: there are some of {', '.join(codes)}")
    return [one for one in found if not code or one.session.get("patient") == code]


def _session(path: Path) -> Folder | None:
    try:
        return Folder(path)
    except RecordError:
        return None
