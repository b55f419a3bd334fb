"""What may change while a session runs: the acts lead from one reading of the files to the other."""

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from nmesd.core.tuning import levels, tuned, tuning
from nmesd.core.values import CoreSettings, Pace, Tune
from tests.core.situations import EXTENSOR, S

FLEXOR = EXTENSOR._replace(emg=1, antagonist=0)
NV = st.sampled_from([9_000, 10_000, 20_000, 30_000])
MUSCLES = st.tuples(NV, NV, NV, NV, NV).map(
    lambda nv: EXTENSOR._replace(
        on_nv=nv[0], off_nv=nv[1], floor_nv=nv[2], ceiling_nv=nv[3], veto_nv=nv[4]
    )
)
TIMES = st.sampled_from([0, 1, 10**9])


@st.composite
def settings_of(draw: st.DrawFn) -> CoreSettings:
    programme = S.programme._replace(rest_ns=draw(TIMES), set_pause_ns=draw(TIMES))
    return S._replace(muscles=(draw(MUSCLES), draw(MUSCLES)), programme=programme)


@given(settings_of(), settings_of())
def test_the_acts_lead_from_one_to_the_other(before: CoreSettings, after: CoreSettings) -> None:
    acts = tuning(before, after, 7, 5)
    assert reduce(tuned, acts, before) == after
    assert all(act[:2] == (5, 7) for act in acts)
    assert bool(acts) == (before != after)


def test_only_what_changed_is_told() -> None:
    before = S._replace(muscles=(EXTENSOR, FLEXOR))
    after = before._replace(muscles=(EXTENSOR, FLEXOR._replace(veto_nv=1)))
    assert tuning(before, after, 7, 5) == [Tune(5, 7, 1, *levels(FLEXOR)[:4], 1)]
    paced = before._replace(programme=S.programme._replace(set_pause_ns=3))
    assert tuning(before, paced, 7, 5) == [Pace(5, 7, S.programme.rest_ns, 3)]


def test_nothing_else_can_be_told() -> None:
    louder = S._replace(muscles=(EXTENSOR._replace(outputs=EXTENSOR.outputs[:1]),))
    longer = S._replace(programme=S.programme._replace(plateau_ns=1))
    for after in (louder, longer, S._replace(muscles=(EXTENSOR, FLEXOR))):
        assert tuning(S, after, 7, 5) == []
