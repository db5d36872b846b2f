"""Both algorithms, on made-up rows."""

import pickle

import numpy as np
import pytest

from bike_demand.forecasting.learners import LightGBM, Rows, XGBoost

LEARNERS = [LightGBM(threads=1), XGBoost(threads=1)]


def rows(count, seed, event=False):
    """The first of three features tells the value but for chance; the second is sometimes null."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 3)).astype(np.float32)
    values = 2.0 * features[:, 0] + random.normal(0, 0.5, count)
    features[random.random(count) < 0.3, 1] = np.nan
    return Rows(features, (values > 1).astype(float) if event else values)


@pytest.fixture(params=LEARNERS, ids=lambda learner: learner.name)
def learner(request):
    return request.param


def test_a_mean_is_learnt(learner):
    learnt, tried = learner.fit(rows(4000, 1), rows(1000, 2), "mean"), rows(1000, 3)
    error = np.mean((learnt(tried.features) - tried.values) ** 2)
    assert error < 0.15 * tried.values.var()


def test_a_probability_is_learnt_and_calibrated(learner):
    learnt = learner.fit(rows(4000, 1, event=True), rows(1000, 2, event=True), "probability")
    tried = rows(4000, 3, event=True)
    probability = learnt(tried.features)
    assert ((probability >= 0) & (probability <= 1)).all()
    assert probability.mean() == pytest.approx(tried.values.mean(), abs=0.03)
    share = tried.values.mean()
    assert np.mean((probability - tried.values) ** 2) < 0.5 * share * (1 - share)


def test_the_same_rows_teach_the_same(learner):
    tried = rows(100, 3).features
    one, other = (learner.fit(rows(2000, 1), rows(500, 2), "mean") for _ in range(2))
    assert (one(tried) == other(tried)).all()


def test_what_was_learnt_can_be_stored(learner):
    tried = rows(100, 3).features
    learnt = learner.fit(rows(2000, 1), rows(500, 2), "mean")
    again = pickle.loads(pickle.dumps(learnt))  # noqa: S301  # our own
    assert (again(tried) == learnt(tried)).all()


def test_it_stops_when_the_validation_gains_no_more(learner):
    noise = np.random.default_rng(5)
    nothing = Rows(rows(2000, 1).features, noise.normal(size=2000))
    learnt = learner.fit(nothing, Rows(rows(500, 2).features, noise.normal(size=500)), "mean")
    assert np.std(learnt(rows(100, 3).features)) < 0.2


def test_features_that_tell_most_have_most_gain(learner):
    gains = learner.fit(rows(4000, 1), rows(1000, 2), "mean").gains()
    assert gains.sum() == pytest.approx(1)
    assert gains.argmax() == 0
