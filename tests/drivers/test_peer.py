"""Our ScienceMode 4 against another implementation, `science-mode-4` from PyPI: the same bytes, both ways.

What it gets wrong (facts on ScienceMode 4, 7) is not asked: currents over 130 mA, fine periods, noise.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmesd.drivers import sciencemode4_packets as ours
from nmesd.drivers.hasomed_bytes import Packet, Splitter
from nmesd.drivers.sciencemode4_packets import Command

peer: Any = pytest.importorskip(
    "science_mode_4", reason="the peer science-mode-4 is not installed", exc_type=ImportError
)

numbers = st.integers(0, 63)
widths, gaps = st.integers(10, ours.MOST_US), st.integers(0, 1000)
currents = st.integers(0, ours.MOST_MA_2)


def theirs(packet: Any, number: int, **values: Any) -> bytes:
    """The bytes the peer makes of its packet."""
    packet.number = number
    for name, value in values.items():
        setattr(packet, name, value)
    made = peer.Protocol.packet_to_bytes(packet)
    assert isinstance(made, bytes)
    return made


def points(shape: tuple[ours.Point, ...]) -> list[Any]:
    return [peer.ChannelPoint(time_us, ma_2 / 2) for time_us, ma_2 in shape]


@given(number=numbers)
@pytest.mark.parametrize(
    ("command", "name"),
    [
        (Command.GET_EXTENDED_VERSION, "PacketGeneralGetExtendedVersion"),
        (Command.GET_STIM_STATUS, "PacketGeneralGetStimStatus"),
        (Command.GET_DEVICE_ID, "PacketGeneralGetDeviceId"),
        (Command.RESET, "PacketGeneralReset"),
        (Command.LL_STOP, "PacketLowLevelStop"),
        (Command.ML_STOP, "PacketMidLevelStop"),
    ],
)
def test_commands_without_data_are_the_same(command: Command, name: str, number: int) -> None:
    assert ours.encode(Packet(number, command)) == theirs(getattr(peer, name)(), number)


@given(number=numbers)
def test_initialisations_and_the_keep_alive_are_the_same(number: int) -> None:
    assert ours.encode(Packet(number, Command.LL_INIT, b"\0")) == theirs(
        peer.PacketLowLevelInit(), number
    )
    assert ours.encode(Packet(number, Command.ML_INIT, b"\1")) == theirs(
        peer.PacketMidLevelInit(), number, do_stop_on_all_errors=True
    )
    assert ours.encode(Packet(number, Command.ML_GET_CURRENT_DATA, b"\4")) == theirs(
        peer.PacketMidLevelGetCurrentData(), number
    )


@given(number=numbers, channel=st.integers(0, 7), width=widths, current=currents, gap=gaps)
def test_a_low_level_pulse_is_the_same(
    number: int, channel: int, width: int, current: int, gap: int
) -> None:
    shape = ours.biphasic(width, current, gap)
    connector, line = divmod(channel, 4)
    assert ours.encode(
        Packet(number, Command.LL_CHANNEL, ours.ll_channel(channel, shape))
    ) == theirs(
        peer.PacketLowLevelChannelConfig(),
        number,
        execute_stimulation=True,
        channel=peer.Channel(line),
        connector=peer.Connector(connector),
        points=points(shape),
    )


@settings(deadline=None)
@given(
    number=numbers,
    mask=st.integers(0, 255),
    width=widths,
    current=currents,
    gap=gaps,
    period_ms=st.integers(1, 16_383),  # whole ones only
)
def test_an_update_of_any_channels_is_the_same(
    number: int, mask: int, width: int, current: int, gap: int, period_ms: int
) -> None:
    shape = ours.biphasic(width, current, gap)
    configurations, data = [], bytes((mask,))
    for channel in range(8):
        configuration = peer.MidLevelChannelConfiguration(False, 0, 20, points(shape))
        if mask >> channel & 1:
            configuration = peer.MidLevelChannelConfiguration(True, 0, period_ms, points(shape))
            data += ours.ml_channel(shape, period_ms * 1000)
        configurations.append(configuration)
    assert ours.encode(Packet(number, Command.ML_UPDATE, data)) == theirs(
        peer.PacketMidLevelUpdate(), number, channel_configuration=configurations
    )


# With data: it looks for the stop byte from the 13th byte on, and a packet without data has 12.
@given(number=numbers, command=st.integers(0, 1023), data=st.binary(min_size=1, max_size=40))
def test_what_we_encode_it_finds_and_reads(number: int, command: int, data: bytes) -> None:
    coded = ours.encode(Packet(number, command, data))
    assert peer.Protocol.find_packet_in_buffer(coded) == (0, len(coded) - 1)
    assert peer.Protocol.extract_packet_data(coded) == (command, number, data)


@given(number=numbers, data=st.binary(max_size=40))
def test_what_it_encodes_we_find_and_read(number: int, data: bytes) -> None:
    packet = peer.PacketMidLevelUpdate()
    packet.get_data = lambda: data
    (inner,) = Splitter(ours.MOST_BYTES, ours.HEAD_BYTES).feed(theirs(packet, number))
    assert ours.decode(inner) == (number, Command.ML_UPDATE, data)


def test_answers_mean_the_same() -> None:
    status = peer.PacketGeneralGetStimStatusAck(bytes((0, 3, 6)))
    assert (status.stim_status, status.high_voltage_on) == (3, True)
    report = peer.PacketMidLevelGetCurrentDataAck(bytes.fromhex("00 04 81 01 20 00 30"))
    errors = {at + 1: int(one) for at, one in enumerate(report.channel_error) if one}
    assert errors == {1: 10, 4: 16, 8: 28}
    for result in ours.Result:
        assert int(peer.ResultAndError(result)) == result
