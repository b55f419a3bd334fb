"""The asyncio process: settings, supervision, record, control.

Nothing in it is on the path from muscle to current.
"""
