"""What is written is what every reader of XDF reads: here pyxdf, the reference."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyxdf
from hypothesis import given, settings
from hypothesis import strategies as st

from nmesd.sessions import streams, xdf_reader, xdf_writer
from nmesd.sessions.streams import Stream

KINDS = {"float32": np.float32, "double64": np.float64, "int32": np.int32, "int64": np.int64}


def load(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pyxdf.load_xdf(
        str(path), synchronize_clocks=False, dejitter_timestamps=False
    )[0]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_format_come_back(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = (rng.normal(size=(1000, 3)) * 1e4).astype(KINDS[kind])
    stamps = np.sort(rng.uniform(1e5, 1e5 + 10, 1000))
    channels = tuple({"label": f"<{n}>&µ", "unit": "microvolts"} for n in range(3))
    stream = Stream("a & b", "EMG", 1000.0, kind, channels, "id", {"more": {"x": 1}})
    path = tmp_path / "f.xdf"
    path.write_bytes(
        xdf_writer.begin()
        + xdf_writer.stream_header(9, stream.xml())
        + b"".join(
            xdf_writer.samples(9, stamps[a : a + 100], values[a : a + 100]) + xdf_writer.boundary()
            for a in range(0, 1000, 100)
        )
        + xdf_writer.stream_footer(9, stamps[0], stamps[-1], 1000)
    )
    (found,) = load(path)
    np.testing.assert_array_equal(found["time_series"], values)
    np.testing.assert_array_equal(found["time_stamps"], stamps)
    info = found["info"]
    assert (info["name"], info["type"], info["source_id"]) == (["a & b"], ["EMG"], ["id"])
    assert float(info["nominal_srate"][0]) == 1000
    labels = [c["label"][0] for c in info["desc"][0]["channels"][0]["channel"]]
    assert labels == ["<0>&µ", "<1>&µ", "<2>&µ"]
    assert info["desc"][0]["more"][0]["x"] == ["1"]
    assert found["footer"]["info"]["sample_count"] == ["1000"]
    chunks = list(xdf_reader.chunks(path))
    assert [chunk.tag for chunk in chunks] == [1, 2, *[3, 5] * 10, 6]
    back = xdf_reader.numbers(chunks[2].content, xdf_writer.DTYPES[kind], 3)
    np.testing.assert_array_equal(back[0], stamps[:100])
    np.testing.assert_array_equal(back[1], values[:100])


@settings(max_examples=30, deadline=None)
@given(told=st.lists(st.tuples(st.floats(0, 1e7), st.text(max_size=300)), min_size=1, max_size=20))
def test_texts_come_back(
    told: list[tuple[float, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("x") / "f.xdf"
    path.write_bytes(
        xdf_writer.begin()
        + xdf_writer.stream_header(1, streams.events().xml())
        + xdf_writer.texts(1, told)
    )
    (found,) = load(path)
    assert [value[0] for value in found["time_series"]] == [text for _, text in told]
    assert list(found["time_stamps"]) == [stamp for stamp, _ in told]
    assert list(xdf_reader.texts(list(xdf_reader.chunks(path))[2].content)) == told


def test_a_clock_that_is_off_is_corrected_by_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "f.xdf"
    stamps = np.arange(100) / 10 + 500
    path.write_bytes(
        xdf_writer.begin()
        + xdf_writer.stream_header(1, streams.emg({}, 1).xml())
        + xdf_writer.samples(1, stamps, np.zeros((100, 1), np.float32))
        + b"".join(xdf_writer.clock_offset(1, 500 + 5 * n, 123.25) for n in range(3))
    )
    (found,) = pyxdf.load_xdf(str(path), dejitter_timestamps=False)[0]
    np.testing.assert_allclose(found["time_stamps"], stamps + 123.25, atol=1e-6)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="3 time stamps for 2 samples"):
        xdf_writer.samples(1, np.zeros(3), np.zeros((2, 1), np.float32))


@pytest.mark.parametrize("content", [b"", b"\x04", b"\x04\x01\x00\x00\x00\x00", b"\x03abc"])
def test_chunks_of_another_kind_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="chunk of"):
        xdf_reader.numbers(content, np.dtype("<f4"), 1)
    with pytest.raises(ValueError, match="chunk of"):
        list(xdf_reader.texts(content))
