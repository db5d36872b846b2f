"""Both algorithms, on made-up rows."""

import pickle

import numpy as np
import pytest

from bike_demand.forecasting.learners import LightGBM, Target, XGBoost

LEARNERS = [LightGBM(threads=1), XGBoost(threads=1)]


def rows(count, seed, event=False):
    """The first of three features tells the value but for chance; the second is sometimes null."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 3)).astype(np.float32)
    values = 2.0 * features[:, 0] + random.normal(0, 0.5, count)
    features[random.random(count) < 0.3, 1] = np.nan
    return features, (values > 1).astype(float) if event else values


def fit(learner, rows, held, objective="mean"):
    [learnt] = learner.fit(rows[0], held[0], [Target(rows[1], held[1], objective)])
    return learnt


@pytest.fixture(params=LEARNERS, ids=lambda learner: learner.name)
def learner(request):
    return request.param


def test_a_mean_is_learnt(learner):
    learnt = fit(learner, rows(4000, 1), rows(1000, 2))
    features, values = rows(1000, 3)
    assert np.mean((learnt(features) - values) ** 2) < 0.15 * values.var()


def test_a_probability_is_learnt_and_calibrated(learner):
    learnt = fit(learner, rows(4000, 1, event=True), rows(1000, 2, event=True), "probability")
    features, values = rows(4000, 3, event=True)
    probability = learnt(features)
    assert ((probability >= 0) & (probability <= 1)).all()
    assert probability.mean() == pytest.approx(values.mean(), abs=0.03)
    share = values.mean()
    assert np.mean((probability - values) ** 2) < 0.5 * share * (1 - share)


def test_targets_of_the_same_rows_are_learnt_as_each_would_be_alone(learner):
    (features, values), (held, stop) = rows(3000, 1), rows(800, 2)
    targets = [
        Target(values, stop, "mean"),
        Target((values > 1) * 1.0, (stop > 1) * 1.0, "probability"),
        Target(-values, -stop, "mean"),
    ]
    together = learner.fit(features, held, targets)
    tried = rows(200, 3)[0]
    for target, learnt in zip(targets, together, strict=True):
        [alone] = learner.fit(features, held, [target])
        assert (learnt(tried) == alone(tried)).all()


def test_the_same_rows_teach_the_same(learner):
    tried = rows(100, 3)[0]
    one, other = (fit(learner, rows(2000, 1), rows(500, 2)) for _ in range(2))
    assert (one(tried) == other(tried)).all()


def test_what_was_learnt_can_be_stored(learner):
    tried = rows(100, 3)[0]
    learnt = fit(learner, rows(2000, 1), rows(500, 2))
    again = pickle.loads(pickle.dumps(learnt))  # noqa: S301  # our own
    assert (again(tried) == learnt(tried)).all()


def test_it_stops_when_the_validation_gains_no_more(learner):
    noise = np.random.default_rng(5)
    nothing = rows(2000, 1)[0], noise.normal(size=2000)
    learnt = fit(learner, nothing, (rows(500, 2)[0], noise.normal(size=500)))
    assert np.std(learnt(rows(100, 3)[0])) < 0.2


def test_features_that_tell_most_have_most_gain(learner):
    gains = fit(learner, rows(4000, 1), rows(1000, 2)).gains()
    assert gains.sum() == pytest.approx(1)
    assert gains.argmax() == 0
