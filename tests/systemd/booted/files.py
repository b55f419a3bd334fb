"""What an engineer would write on this unit: its files, and units in place of a stimulator and a person."""

STIMULATOR = "/srv/bench/tty"
PULSES = "/srv/bench/pulses.sock"
PATIENT_HEARS = "/srv/bench/patient.sock"
STREAM = "booted"
MUSCLE = "target"  # as the virtual patient calls its first channel
EMG = "attempts"  # the programme that hears EMG; the other is by the clock
BY_CLOCK = "by-clock"
AMPLITUDE_MA = 15
PERSON = "example"
TRAIN_S = 9.0
REST_S = 2.0  # a session that went on by itself would show within this

GUARD = f"""
[stimulator]
driver = "sciencemode4"
model = "p24"
port = "{STIMULATOR}"
level = "full"
channels = [1]
[electrodes]
area_cm2 = 25
[guard]
socket = "/run/nmesd/guard.sock"
client_user = "nmesd"
[limits]
rise_ma_s = 60
duty_percent = 100
trains_per_min = 60
dose_mc = 11700
session_min = 120
"""

UNIT = f"""
[session]
programme = "{BY_CLOCK}"
[stream]
name = "{STREAM}"
rate_hz = 1000
labels = ["{MUSCLE}"]
[record]
folder = "/var/lib/nmesd/sessions"
"""

PATIENT = f"""
code = "{PERSON}"
[[muscle]]
label = "{MUSCLE}"
on_uv = 12.0
off_uv = 8.0
[[muscle.output]]
channel = 1
amplitude_ma = {AMPLITUDE_MA}
"""

PROGRAMMES = {
    BY_CLOCK: f"""
purpose = "trains by the clock"
kind = "cyclic"
train = {{ramp_up_s = 0.5, plateau_s = {TRAIN_S - 1}, ramp_down_s = 0.5}}
trial = {{rest_s = {REST_S}}}
session = {{minutes = 30}}
""",
    EMG: """
purpose = "every attempt is answered"
kind = "triggered"
train = {ramp_up_s = 0.5, plateau_s = 1, ramp_down_s = 0.5}
trial = {rest_s = 2}
session = {minutes = 30}
""",
}

CONFIG = {
    "guard.toml": GUARD,
    "nmesd.toml": UNIT,
    "patient.toml": PATIENT,
    **{f"programmes/{name}.toml": text for name, text in PROGRAMMES.items()},
}

# It is there before the guard and until after it, as a device is.
P24 = f"""
[Unit]
Before=nmesd-guard.service
[Service]
User=nmesd-guard
AmbientCapabilities=CAP_SYS_NICE
ExecStartPre=/bin/rm -f {STIMULATOR}
ExecStart=/opt/nmesd/bin/nmesd emulate p24 --link {STIMULATOR} --pulses {PULSES}
ExecStartPost=/bin/sh -c 'until test -e {STIMULATOR}; do sleep 0.1; done'
[Install]
WantedBy=multi-user.target
"""

VIRTUAL_PATIENT = f"""
[Service]
User=nmesd
AmbientCapabilities=CAP_SYS_NICE
Environment=LSLAPICFG=/srv/bench/lsl_api.cfg
ExecStart=/opt/nmesd/bin/python -m nmesd.sim.patient --name {STREAM} --source-id booted --pulses {PATIENT_HEARS}
"""

# A pty is no kind of device that a stimulator has.
PTY = """
[Service]
DeviceAllow=char-pts rw
"""

# A machine without CAP_SYS_RESOURCE cannot raise a limit for anybody: the same rights as capabilities.
RIGHTS = """
[Service]
CapabilityBoundingSet=CAP_SYS_NICE CAP_IPC_LOCK
AmbientCapabilities=CAP_SYS_NICE CAP_IPC_LOCK
"""
