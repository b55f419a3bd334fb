"""Integer units. Past the signal chain every quantity is an integer with its unit in its name.

`envelope_nv` nanovolt, `amplitude_ua` microampere, `pulse_width_us` microsecond per phase, `period_us`
microsecond from pulse to pulse, `charge_pc` picocoulomb, `t_ns` nanosecond, `rate_mhz` millihertz.
1 µA x 1 µs = 1 pC, so dose is exact.
"""

from __future__ import annotations

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
US_PER_S = 1_000_000
UA_PER_MA = 1_000
NV_PER_UV = 1_000
MHZ_PER_HZ = 1_000


def charge_pc(amplitude_ua: int, pulse_width_us: int) -> int:
    """Charge of one phase in picocoulomb."""
    return amplitude_ua * pulse_width_us


def sample_time_ns(samples: int, rate_mhz: int) -> int:
    """Time of a sample index in nanoseconds, exact and monotonic at any rate, also 2148.148 Hz."""
    return samples * NS_PER_S * MHZ_PER_HZ // rate_mhz


def ms(t_ns: int) -> float:
    """Nanoseconds as milliseconds, for people."""
    return t_ns / NS_PER_MS
