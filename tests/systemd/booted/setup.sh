set -e
mkdir -p /etc/systemd/system/nmesd-guard.service.d /etc/systemd/system/nmesd.service.d
# This machine's bounding set has no CAP_SYS_RESOURCE, so limits cannot be raised here: capabilities instead.
printf '[Service]\nCapabilityBoundingSet=CAP_SYS_NICE CAP_IPC_LOCK\nAmbientCapabilities=CAP_SYS_NICE CAP_IPC_LOCK\nDeviceAllow=char-pts rw\nLimitMEMLOCK=8388608\nReadWritePaths=/run/p24\n' > /etc/systemd/system/nmesd-guard.service.d/test.conf
printf '[Service]\nCapabilityBoundingSet=CAP_SYS_NICE CAP_IPC_LOCK\nAmbientCapabilities=CAP_SYS_NICE CAP_IPC_LOCK\n' > /etc/systemd/system/nmesd.service.d/test.conf
cat > /etc/systemd/system/p24.service <<'U'
[Service]
User=nmesd-guard
RuntimeDirectory=p24
RuntimeDirectoryMode=0777
ExecStart=/opt/nmesd/bin/nmesd emulate p24 --link /run/p24/tty --pulses /run/p24/pulses.sock
U
cat > /etc/nmesd/guard.toml <<'G'
[stimulator]
driver = "sciencemode4"
model = "p24"
port = "/run/p24/tty"
level = "full"
channels = [1]
[electrodes]
area_cm2 = 25
[guard]
socket = "/run/nmesd/guard.sock"
client_user = "nmesd"
[limits]
rise_ma_s = 60
G
cat > /etc/nmesd/programmes/test.toml <<'G'
purpose = "x"
kind = "cyclic"
train = {ramp_up_s = 0.5, plateau_s = 2, ramp_down_s = 0.5}
trial = {rest_s = 4}
session = {minutes = 5}
G
sed -i 's/programme = "activation"/programme = "test"/; ' /etc/nmesd/nmesd.toml
sed -i 's/amplitude_ma = 0 /amplitude_ma = 15 /' /etc/nmesd/patient.toml
systemctl daemon-reload
systemctl restart p24; sleep 3; ls -la /run/p24
systemctl restart nmesd-guard; systemctl restart nmesd; sleep 3
nmesd check /etc/nmesd/nmesd.toml --guard /etc/nmesd/guard.toml
nmesd doctor
nmesd arm --operator A --patient example --checked
sleep 6; nmesd status | head -12
