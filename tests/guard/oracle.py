"""A witness who writes down every output and judges it the long way: fractions, whole histories, no state carried.

It shares nothing with nmesd.guard but the words for limits and outputs.
"""

from fractions import Fraction

from nmesd.guard.limits import Limits
from nmesd.wire import CHANNELS, ZERO, ChannelOutput, Output

S = 10**9


class Witness:
    """What was on at what time, and what was given."""

    def __init__(self, limits: Limits, now_ns: int) -> None:
        self.limits = limits
        self.output: Output = ZERO
        self.now_ns = now_ns
        # per channel: stretches of current as [begin, end or None], and rises as (time, µA)
        self.stretches: list[list[list[int | None]]] = [[] for _ in range(CHANNELS)]
        self.rises: list[list[tuple[int, Fraction]]] = [[] for _ in range(CHANNELS)]
        self.session_since_ns: int | None = None
        self.dose_pc = 0

    def sees(self, output: Output, now_ns: int) -> None:
        """From now on this is on."""
        for channel, (old, new) in enumerate(zip(self.output, output, strict=True)):
            stretches = self.stretches[channel]
            if new.amplitude_ua and not old.amplitude_ua:
                if stretches:
                    rest_ns = now_ns - (stretches[-1][1] or 0)
                    assert rest_ns >= self.limits.rest_ns
                stretches.append([now_ns, None])
                assert self._begun(channel, now_ns) <= self.limits.trains_per_min
            if old.amplitude_ua and not new.amplitude_ua:
                stretches[-1][1] = now_ns
            self._rise(channel, old, new, now_ns)
        self.output, self.now_ns = output, now_ns

    def judges(self, now_ns: int) -> None:
        """All that is on now is within every limit."""
        self.now_ns = now_ns
        ones = [(channel, one) for channel, one in enumerate(self.output) if one.amplitude_ua]
        if not ones:
            return
        limits = self.limits
        assert len(ones) <= limits.channels_at_once
        # every channel's mean square is rounded up to a µA²
        squares = sum(-(-self._square(one) // 1) for _, one in ones)
        assert squares <= limits.total_rms_ua**2
        for channel, one in ones:
            self._judge(one)
            assert channel in limits.channels
            (begin_ns, end_ns) = self.stretches[channel][-1]
            assert begin_ns is not None
            assert end_ns is None
            assert now_ns - begin_ns <= limits.train_ns
            assert self._minute(channel, now_ns) <= limits.duty_ns
        next_pc = sum(one.amplitude_ua * one.pulse_width_us for _, one in ones)
        assert self.dose_pc + next_pc <= limits.dose_pc
        assert self.session_since_ns is not None
        assert now_ns - self.session_since_ns <= limits.session_ns

    def _judge(self, one: ChannelOutput) -> None:
        limits = self.limits
        assert one.amplitude_ua <= limits.amplitude_ua
        assert one.pulse_width_us <= limits.pulse_width_us
        assert Fraction(10**9, one.period_us) <= limits.rate_mhz
        assert one.amplitude_ua * one.pulse_width_us <= limits.charge_pc
        per_cm2 = Fraction(100, limits.area_mm2)
        assert self._square(one) * per_cm2**2 <= limits.density_ua_cm2**2
        assert self._square(one) * 500 * per_cm2 / 10**6 <= limits.power_uw_cm2

    @staticmethod
    def _square(one: ChannelOutput) -> Fraction:
        return Fraction(2 * one.amplitude_ua**2 * one.pulse_width_us, one.period_us)

    def _begun(self, channel: int, now_ns: int) -> int:
        return sum((begin or 0) > now_ns - 60 * S for begin, _ in self.stretches[channel])

    def _minute(self, channel: int, now_ns: int) -> int:
        total = 0
        for begin_ns, end_ns in self.stretches[channel]:
            begin, end = begin_ns or 0, now_ns if end_ns is None else end_ns
            total += max(0, end - max(begin, now_ns - 60 * S))
        return total

    def _rise(self, channel: int, old: ChannelOutput, new: ChannelOutput, now_ns: int) -> None:
        if not new.amplitude_ua:
            return
        before_pc = old.amplitude_ua * old.pulse_width_us if old.amplitude_ua else 0
        worth = new.amplitude_ua - Fraction(before_pc, new.pulse_width_us or 1)
        rise = max(worth, Fraction(new.amplitude_ua - old.amplitude_ua))
        if rise <= 0:
            return
        rises = self.rises[channel]
        rises.append((now_ns, rise))
        total = Fraction(0)
        for at_ns, one in reversed(rises):
            total += one
            allowed = Fraction(self.limits.rise_ua_s * (now_ns - at_ns), S)
            assert total <= allowed + self.limits.rise_ua_s // 10
            if now_ns - at_ns > 60 * S:
                break
