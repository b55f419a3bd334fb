"""All commands. Each file brings its own, in the order in which `nmesd --help` shows them."""

from __future__ import annotations

from nmesd.cli import services, operator, monitoring, logs, setting_up, certifying  # isort: skip # noqa: F401
from nmesd.cli import afterwards, tuning, reporting, rehearsing  # isort: skip # noqa: F401
from nmesd.cli.app import app

__all__ = ["app"]
