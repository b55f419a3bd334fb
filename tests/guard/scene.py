"""What the tests of the interlock share: limits, a state of each kind, and the way into `step`.

The limits that are not the subject of a test are roomy here: those tests narrow them one by one.
"""

from nmesd.drivers.base import Given
from nmesd.errors import Reason
from nmesd.guard.interlock import State, step
from nmesd.guard.limits import Fault, Limits
from nmesd.guard.tally import Channel, Tally
from nmesd.units import NS_PER_MS, NS_PER_S
from nmesd.wire import (
    CHANNELS,
    ZERO,
    Act,
    Arm,
    Beat,
    ChannelOutput,
    Disarm,
    Found,
    Frame,
    GuardState,
    Hello,
    Lease,
    Output,
    Received,
    Report,
    Reset,
    Settings,
    Stop,
    is_zero,
    session_token,
)

D, A, T = GuardState.DISARMED, GuardState.ARMED, GuardState.TRIPPED

LIMITS = Limits(
    amplitude_ua=30_000,
    pulse_width_us=400,
    rate_mhz=50_000,
    charge_pc=65_000_000,
    density_ua_cm2=2_000,
    power_uw_cm2=250_000,
    total_rms_ua=50_000,
    channels_at_once=8,
    rise_ua_s=10**9,
    train_ns=1800 * NS_PER_S,
    rest_ns=0,
    duty_ns=60 * NS_PER_S,
    trains_per_min=10**9,
    dose_pc=10**15,
    session_ns=7200 * NS_PER_S,
    net_charge_pc=0,
    channels=(0, 3),
    area_mm2=10_000,
)
LIMITS_HASH, SETTINGS_HASH, NONCE = 111, 222, 333
NOW = 10**15
SENT = NOW - 1000
LEASE_NS = 20 * NS_PER_MS
ARM = Arm(NONCE, 7, LIMITS_HASH, SETTINGS_HASH)
SESSION = session_token(ARM)
ONE = ChannelOutput(10_000, 250, 25_000)
WIDEST = ChannelOutput(30_000, 400, 20_000)


def on(channel: int, one: ChannelOutput = ONE) -> Output:
    return tuple(one if c == channel else ChannelOutput() for c in range(CHANNELS))


def on_all(*channels: int, one: ChannelOutput = ONE) -> Output:
    return tuple(one if c in channels else ChannelOutput() for c in range(CHANNELS))


GIVING = Lease(SESSION, NOW + LEASE_NS, SENT, SENT, SENT, 1, 1, on(0))
SILENT = GIVING._replace(believes_output=0, output=ZERO)
LATCHED = Fault(Reason.LEASE_EXPIRED, 1, 2)

DISARMED = State(D, nonce=NONCE, settings_hash=SETTINGS_HASH, sequence=4, now_ns=NOW)
ARMED = DISARMED._replace(
    state=A,
    output=on(0),
    expiry_ns=NOW + 5 * NS_PER_MS,
    session=SESSION,
    lease=GIVING,
    tally=Tally((Channel(10_000, 250, NOW), *Tally().channels[1:]), 0, NOW),
)
TRIPPED = DISARMED._replace(state=T, trip=LATCHED)
STATES = {state.state: state for state in (DISARMED, ARMED, TRIPPED)}

INPUTS: dict[str, Frame | Fault | Given | None] = {
    "tick": None,
    "hello": Hello(999, 1),
    "arm": ARM,
    "arm, wrong nonce": ARM._replace(nonce=NONCE + 1),
    "arm, other limits": ARM._replace(limits_hash=LIMITS_HASH + 1),
    "arm, other settings": ARM._replace(settings_hash=SETTINGS_HASH + 1),
    "arm, by nobody": ARM._replace(operator=0),
    "lease": GIVING,
    "lease of zero": SILENT,
    "disarm": Disarm(7),
    "disarm by nobody": Disarm(0),
    "stop": Stop(Reason.OPERATOR_STOP, 8, 9),
    "stop of no known reason": Stop(9999, 8, 9),
    "stop of no reason": Stop(Reason.NONE, 8, 9),
    "reset": Reset(7),
    "fault": Fault(Reason.DEVICE_FAILED, 8, 9),
    "pulses given": Given(1, 2_500_000, 0, NOW),
    "a report": Report(*[0] * 19),
    "an act": Act(1, 1, 7),
    "a beat": Beat(),
    "settings": Settings(b"{}"),
    "found": Found(0, b""),
}
FRAMES_IN = [one for one in INPUTS.values() if isinstance(one, Frame)]


def do(
    state: State,
    cause: Frame | Fault | Given | None,
    *,
    now_ns: int = NOW,
    sequence: int | None = 5,
    t_ns: int = SENT,
    limits: Limits = LIMITS,
) -> State:
    """One step. `sequence` None is the next one."""
    if isinstance(cause, Frame):
        number = state.sequence + 1 & 0xFFFFFFFF if sequence is None else sequence
        return step(state, now_ns, Received(number, t_ns, cause), limits, LIMITS_HASH)
    return step(state, now_ns, cause, limits, LIMITS_HASH)


class Course:
    """A guard led through time: arms, leases, waits. Every lease is right but for what is asked of it."""

    def __init__(self, limits: Limits = LIMITS, now_ns: int = NOW) -> None:
        self.limits = limits
        self.now_ns = now_ns
        self.state = State(now_ns=now_ns, nonce=NONCE)

    def give(self, cause: Frame | Fault | Given | None) -> State:
        t_ns = self.now_ns
        self.state = do(
            self.state, cause, now_ns=t_ns, sequence=None, t_ns=t_ns, limits=self.limits
        )
        return self.state

    def arm(self) -> State:
        if self.state.state is T:
            self.give(Reset(7))
        self.give(Hello(SETTINGS_HASH, 1))
        self.give(Arm(self.state.nonce, 7, LIMITS_HASH, SETTINGS_HASH))
        assert self.state.state is A, self.state.trip
        return self.state

    def lease(self, output: Output, ahead_ns: int = 100 * NS_PER_MS) -> State:
        now_ns = self.now_ns
        believes = not is_zero(output)
        session = self.state.session
        return self.give(
            Lease(session, now_ns + ahead_ns, now_ns, now_ns, now_ns, 1, believes, output)
        )

    def hold(self, until_ns: int, output: Output | None = None) -> State:
        """Renew the lease (of the output that is on) up to `until_ns`, and step there."""
        while self.now_ns < until_ns and self.state.state is A:
            self.lease(self.state.output if output is None else output)
            self.now_ns = min(self.now_ns + 100 * NS_PER_MS - 1, until_ns)
        self.now_ns = until_ns
        return self.give(None)

    def trip(self) -> Fault:
        assert self.state.state is T, self.state
        assert self.state.output == ZERO
        assert self.state.trip is not None
        return self.state.trip
