"""A wish to stop is noted once and obeyed twice; a loss that runs away is seen, noise is not."""

import os
import signal
import threading

import numpy as np
import pytest

from model.training.stopping import LossWatch, stop_wish


def followed(losses):
    """The step at which the run is given up (None: never), and the steps at which it was not well."""
    watch, ill = LossWatch(), []
    for step, loss in enumerate(losses):
        watch.look(float(loss))
        if watch.diverged:
            return step, ill
        if not watch.well:
            ill.append(step)
    return None, ill


def noisy(levels, spread, seed=0):
    return np.asarray(levels) * np.random.default_rng(seed).lognormal(0, spread, len(levels))


def test_a_falling_noisy_loss_is_left_alone():
    falling = 20 * np.exp(-np.arange(3000) / 300) + 0.02
    assert followed(noisy(falling, 0.4)) == (None, [])


def test_a_loss_that_never_falls_is_left_alone():
    given_up, ill = followed(noisy(np.full(2000, 4.0), 0.3))
    assert given_up is None
    assert len(ill) < 20  # it may miss an occasion to save, not all of them


def test_a_loss_twice_that_of_the_start_ends_the_run():
    step, ill = followed([3.0] * 100 + [8.0] * 200)
    assert 100 < step < 140
    assert ill
    assert min(ill) < step


def test_a_collapse_back_to_the_start_ends_the_run():
    """SDM cannot exceed about 27 in a batch of 128, so twice the start may never be reached."""
    step, ill = followed(np.concatenate([np.linspace(20, 1, 400), np.full(400, 26.8)]))
    assert 400 < step < 440
    assert min(ill) < step


def test_a_climb_within_what_was_gained_is_not_well_but_goes_on():
    given_up, ill = followed(np.concatenate([np.linspace(20, 2, 400), np.full(300, 12.0)]))
    assert given_up is None
    assert ill
    assert min(ill) > 400


def test_a_watch_goes_on_where_it_stood():
    losses = np.concatenate([np.linspace(20, 1, 300), np.full(100, 26.8)])
    whole, first = followed(losses)[0], LossWatch()
    for loss in losses[:310]:
        first.look(float(loss))
    second = LossWatch()
    second.load_state_dict(first.state_dict())
    given_up = []
    for step, loss in enumerate(losses[310:], start=310):
        second.look(float(loss))
        if second.diverged:
            given_up.append(step)
    assert given_up[0] == whole


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_the_second_acts_and_the_handlers_come_back(number):
    before = signal.getsignal(number)
    with stop_wish() as wish:
        assert not wish.noted
        os.kill(os.getpid(), number)
        assert wish.noted
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_in_another_thread_nothing_is_changed():
    found = []

    def enter():
        with stop_wish() as wish:
            found.append(wish.noted)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found == [False]
