"""After the session: read, replay, tune, report."""
