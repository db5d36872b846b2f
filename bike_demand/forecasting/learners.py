"""The two algorithms, behind one small interface: rows in, functions of rows out.

Their hyper-parameters and what makes two runs alike stand here; what they learn does not.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float32]

Objective = Literal["mean", "probability"]
"""Least squares, or the log loss of an event that is 1 or 0."""

SEED: Final = 20_260_301

# Read by both libraries when they are loaded. By default their threads wait in a busy loop, and two
# trainings on the same cores take many times as long as one after the other.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class LearningError(ValueError):
    """A library refuses a hyper-parameter, or the rows."""


@dataclass(frozen=True, eq=False)
class Target:
    """What a function of rows is to say.

    Attributes:
        values: Of the rows that are learnt from, shape (N,).
        held: Of those that learning is stopped by, shape (M,).
        objective: What is to be little.
    """

    values: NDArray[np.float64]
    held: NDArray[np.float64]
    objective: Objective


class Learnt(Protocol):
    """What a learner has learnt; it can be pickled."""

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """The mean, or the probability, of each of N rows."""

    def gains(self) -> NDArray[np.float64]:
        """How much each of F features has lowered the loss, adding up to 1."""


class Learner(Protocol):
    """An algorithm with its hyper-parameters."""

    name: ClassVar[str]

    def fit(self, features: Features, held: Features, targets: Sequence[Target]) -> list[Learnt]:
        """Learn a function of the same rows for each target, until it gets no better on others.

        Features are put into bins once: for each target anew it was a fifth of XGBoost's time.

        Args:
            features: Of rows to learn from, shape (N, F), NaN where unknown.
            held: Of rows that learning is stopped by, shape (M, F).
            targets: What to say of them.

        Raises:
            LearningError: The library refuses.
        """


@dataclass(frozen=True)
class LightGBM:
    """Ke et al., LightGBM: A Highly Efficient Gradient Boosting Decision Tree, NIPS 2017.

    Attributes:
        rounds: Trees at most.
        patience: Rounds without gain on the validation after which it stops.
        learning_rate: Weight of each tree.
        leaves: Of a tree, at most.
        rows_per_leaf: At least.
        features_per_tree: Share of the features that a tree is given.
        rows_per_tree: Share of the rows that a tree is given.
        bins: That a feature's values are put into.
        threads: Two runs are only alike with the same number.
    """

    name: ClassVar[str] = "lightgbm"

    rounds: int = 400
    patience: int = 20
    learning_rate: float = 0.1
    leaves: int = 31
    rows_per_leaf: int = 500
    features_per_tree: float = 0.3
    rows_per_tree: float = 0.5
    bins: int = 63
    threads: int = 2

    def fit(self, features: Features, held: Features, targets: Sequence[Target]) -> list[Learnt]:
        """See `Learner`."""
        import lightgbm

        parameters = {
            "learning_rate": self.learning_rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": _at_least(self.rows_per_leaf, features),
            "feature_fraction": self.features_per_tree,
            "bagging_fraction": self.rows_per_tree,
            "bagging_freq": 1,
            "max_bin": self.bins,
            "num_threads": self.threads,
            "seed": SEED,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        learnt = list[Learnt]()
        with _explained(self):
            data = lightgbm.Dataset(features, params=parameters).construct()
            validation = data.create_valid(held, params=parameters).construct()
            for target in targets:
                objective = "regression" if target.objective == "mean" else "binary"
                booster = lightgbm.train(
                    {**parameters, "objective": objective},
                    data.set_label(target.values),
                    self.rounds,
                    valid_sets=[validation.set_label(target.held)],
                    callbacks=[lightgbm.early_stopping(self.patience, verbose=False)],
                )
                learnt.append(_LightGBM(booster))
        return learnt


@dataclass(frozen=True)
class _LightGBM:
    booster: Any

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(self.booster.predict(features), dtype=np.float64)

    def gains(self) -> NDArray[np.float64]:
        gains = np.asarray(self.booster.feature_importance("gain"), dtype=np.float64)
        return gains / max(float(gains.sum()), 1e-12)


@dataclass(frozen=True)
class XGBoost:
    """Chen & Guestrin, XGBoost: A Scalable Tree Boosting System, KDD 2016.

    Attributes:
        rounds: Trees at most.
        patience: Rounds without gain on the validation after which it stops.
        learning_rate: Weight of each tree.
        depth: Of a tree, at most.
        rows_per_leaf: At least; of a probability, their summed variance times 4.
        features_per_node: Share of the features that a split is chosen from.
        rows_per_tree: Share of the rows that a tree is given.
        bins: That a feature's values are put into.
        threads: Two runs are only alike with the same number.
    """

    name: ClassVar[str] = "xgboost"

    rounds: int = 400
    patience: int = 20
    learning_rate: float = 0.1
    depth: int = 6
    rows_per_leaf: int = 500
    features_per_node: float = 0.3
    rows_per_tree: float = 0.5
    bins: int = 64
    threads: int = 2

    def fit(self, features: Features, held: Features, targets: Sequence[Target]) -> list[Learnt]:
        """See `Learner`."""
        import xgboost

        weight = _at_least(self.rows_per_leaf, features)
        parameters = {
            "eta": self.learning_rate,
            "max_depth": self.depth,
            "colsample_bynode": self.features_per_node,
            "subsample": self.rows_per_tree,
            "tree_method": "hist",
            "max_bin": self.bins,
            "nthread": self.threads,
            "seed": SEED,
        }
        how = {"max_bin": self.bins, "nthread": self.threads}
        learnt = list[Learnt]()
        with _explained(self):
            data = xgboost.QuantileDMatrix(features, **how)
            validation = xgboost.QuantileDMatrix(held, ref=data, **how)
            for target in targets:
                mean = target.objective == "mean"
                data.set_label(target.values)
                validation.set_label(target.held)
                booster = xgboost.train(
                    {
                        **parameters,
                        "objective": "reg:squarederror" if mean else "binary:logistic",
                        # Of a probability a row weighs p(1 - p): most say what is all but certain.
                        "min_child_weight": weight if mean else weight / 100,
                        "base_score": float(target.values.mean()),
                    },
                    data,
                    self.rounds,
                    evals=[(validation, "validation")],
                    early_stopping_rounds=self.patience,
                    verbose_eval=False,
                )
                learnt.append(_XGBoost(booster[: booster.best_iteration + 1], features.shape[1]))
        return learnt


@dataclass(frozen=True)
class _XGBoost:
    booster: Any
    features: int

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(self.booster.inplace_predict(features), dtype=np.float64)

    def gains(self) -> NDArray[np.float64]:
        gains = np.zeros(self.features)
        for name, gain in self.booster.get_score(importance_type="total_gain").items():
            gains[int(name[1:])] = gain
        return gains / max(float(gains.sum()), 1e-12)


@contextmanager
def _explained(learner: Learner) -> Iterator[None]:
    """Both libraries have errors of their own, and raise others, too."""
    try:
        yield
    except Exception as error:
        message = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise LearningError(f"{learner.name} refuses to learn with {learner}: {message}") from error


def _at_least(rows_per_leaf: int, features: Features) -> int:
    """Small systems have too few rows for leaves of hundreds."""
    return max(1, min(rows_per_leaf, len(features) // 200))
