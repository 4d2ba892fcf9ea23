"""Hypothesis strategies for limits and charges."""

from __future__ import annotations

from hypothesis import strategies as st

from sidecar.limits.limit import Algorithm, Charge, Limit

PERIODS = (1, 7, 1000, 999_983, 1_000_000, 60_000_000, 86_400_000_000)


@st.composite
def limits(draw: st.DrawFn) -> Limit:
    algorithm = draw(st.sampled_from(Algorithm))
    units = draw(st.one_of(st.integers(0, 12), st.sampled_from((97, 1000, 4_294_967_295))))
    burst = units if algorithm is Algorithm.FIXED_WINDOW else draw(st.one_of(st.integers(0, 12), st.just(1000)))
    return Limit(
        name="l",
        units=units,
        period_us=draw(st.sampled_from(PERIODS)),
        burst=burst,
        algorithm=algorithm,
        shadow=draw(st.integers(0, 5)) == 0,
        debt=draw(st.sampled_from((0, 0, 5, 100))),
    )


@st.composite
def takes(draw: st.DrawFn) -> list[list[Charge]]:
    """A handful of takes over a handful of buckets, some of them twice in one take."""
    pool = draw(st.lists(limits(), min_size=1, max_size=3))
    return draw(
        st.lists(
            st.lists(
                st.builds(
                    lambda index, hits, overdraft, quota: Charge(
                        pool[index % len(pool)], f"{{s}}:k{index % len(pool)}", hits, overdraft=overdraft, quota=quota
                    ),
                    st.integers(0, 2),
                    st.one_of(st.integers(-3, 12), st.just(4_294_967_295)),
                    st.booleans(),
                    st.booleans(),
                ),
                min_size=1,
                max_size=4,
            ),
            min_size=1,
            max_size=8,
        )
    )
