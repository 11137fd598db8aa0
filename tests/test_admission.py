"""Admission by time: against a simulated service whose capacity is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.admission import ALWAYS, Admission
from service.errors import Overloaded


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def simulate(
    rate: float, asked: float, budget: float, seconds: float, begin: float
) -> tuple[int, int, float]:
    """A service that answers `rate` a second one after the other, asked `asked` times a second.

    Returns how many were answered and refused, and the longest that an answer took.
    """
    clock = Clock()
    admission = Admission(10_000, clock)
    admission.begin(begin)
    inside: list[float] = []  # when they came, in order
    answered = refused = 0
    longest, next_out, next_in = 0.0, 1 / rate, 0.0
    while clock.now < seconds:
        clock.now = min(next_in, next_out) if inside else next_in
        if inside and next_out <= next_in:
            came = inside.pop(0)
            admission.leave(answered=True)
            answered += 1
            longest = max(longest, clock.now - came)
            next_out = clock.now + 1 / rate
        else:
            try:
                admission.enter(budget)
                if not inside:
                    next_out = clock.now + 1 / rate
                inside.append(clock.now)
            except Overloaded:
                refused += 1
            next_in += 1 / asked
    return answered, refused, longest


@pytest.mark.parametrize("rate", [5, 50, 500])
@pytest.mark.parametrize("factor", [2, 5, 10])
@pytest.mark.parametrize("guess", [0.1, 1, 10])
def test_overload_costs_no_capacity_and_nobody_waits_beyond_the_deadline(
    rate: float, factor: float, guess: float
) -> None:
    budget = 2.0
    answered, refused, longest = simulate(rate, factor * rate, budget, 20, guess / rate)
    assert answered >= 0.95 * rate * 20
    assert refused > 0
    # what is always let in may take longer on a service that is that slow
    assert longest <= max(budget, (ALWAYS + 1) / rate) + 1e-9 or guess < 1
    assert longest <= max(budget / guess if guess < 1 else budget, (ALWAYS + 1) / rate)


def test_below_its_capacity_nobody_is_refused() -> None:
    for rate in (5, 50, 500):
        answered, refused, _ = simulate(rate, 0.9 * rate, 2.0, 20, 1 / rate)
        assert refused == 0
        assert answered >= 0.88 * rate * 20


def test_a_wrong_first_guess_is_soon_corrected() -> None:
    clock = Clock()
    admission = Admission(10_000, clock)
    admission.begin(0.001)
    for _ in range(20):
        admission.enter(2.0)
    for _ in range(60):  # one leaves each tenth of a second, another comes
        clock.now += 0.1
        admission.leave(answered=True)
        admission.enter(60.0)
    assert admission.refusal(2.0) is not None  # 20 inside at 10 a second are two seconds
    assert admission.refusal(4.0) is None


def test_a_refusal_says_when_to_come_back() -> None:
    clock = Clock()
    admission = Admission(10_000, clock)
    admission.begin(0.5)
    for _ in range(int(ALWAYS)):
        admission.enter(1.0)
    with pytest.raises(Overloaded) as refused:
        admission.enter(1.0)
    wait = (ALWAYS + 1) / 2
    assert refused.value.retry_after is not None
    assert wait <= refused.value.retry_after <= wait + 2


def test_one_large_request_alone_is_tried_however_slow_the_first_was() -> None:
    admission = Admission(10_000, Clock())
    admission.begin(5.0)
    admission.enter(2.0)  # its first unit came in with the head of the request
    admission.enter(2.0, 63, own=1.0)
    assert admission.refusal(2.0) is not None
    for _ in range(64):
        admission.leave(answered=True)
    admission.enter(2.0)
    assert admission.refusal(2.0, 63) is not None  # somebody else is inside


def test_the_number_inside_is_bounded_however_quick_the_service_is() -> None:
    admission = Admission(3, Clock())
    admission.begin(1e-6)
    for _ in range(3):
        admission.enter(60.0)
    with pytest.raises(Overloaded):
        admission.enter(60.0)
    admission.leave(answered=False)
    admission.enter(60.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.sampled_from([1.0, 4.0])), max_size=100))
def test_what_is_inside_is_what_came_less_what_left(steps: list[tuple[bool, float, float]]) -> None:
    clock = Clock()
    admission, inside = Admission(40, clock), []
    for comes, pause, cost in steps:
        clock.now += pause
        if comes:
            try:
                admission.enter(1.0, cost)
                inside.append(cost)
            except Overloaded:
                assert sum(inside) + cost > ALWAYS
        elif inside:
            admission.leave(inside.pop(), answered=True)
        assert admission.inside == sum(inside)
