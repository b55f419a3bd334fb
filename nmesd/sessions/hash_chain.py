"""The chain through events.jsonl: each line carries a hash of itself and of all lines before it.

    {"event": "opened", ..., "chain": "<64 hex digits>"}

The hash is SHA-256 over the chain of the line before (64 zeros before the first) and the line's text without its
`chain`. A line that is changed, missing or put in breaks the chain there. Lines `covered` carry bytes and SHA-256
of the other files so far, and so the chain covers them too. Whoever rewrites a whole record can make a new
chain: against that, keep its end elsewhere (`nmesd run` says it in its log when the record is closed).
"""

from __future__ import annotations

import hashlib
from typing import Final

BEGINNING: Final = "0" * 64
_KEY: Final = ', "chain": "'
_TAIL: Final = len(_KEY) + 64 + len('"}')


def sealed(before: str, body: str) -> tuple[str, str]:
    """(the line, its chain) for the text of a JSON object that has at least one key."""
    chain = _chain(before, body)
    return f'{body[:-1]}{_KEY}{chain}"}}', chain


def unsealed(before: str, line: str) -> tuple[str, str] | None:
    """(body, its chain) of a line that follows; None if it does not."""
    body, seal = f"{line[:-_TAIL]}}}", line[-_TAIL:]
    chain = seal[len(_KEY) : -2]
    if not seal.startswith(_KEY) or not seal.endswith('"}') or chain != _chain(before, body):
        return None
    return body, chain


def _chain(before: str, body: str) -> str:
    return hashlib.sha256(f"{before}{body}".encode()).hexdigest()
