"""A client of the forecast API, for programs in Python: `Client` asks, typed answers come back.

It needs `requests` and `pydantic` and nothing else of this project.
"""

from bike_demand.client.answers import (
    Accuracy,
    Champion,
    CityForecast,
    Evaluation,
    Forecast,
    HorizonAccuracy,
    Hour,
    Model,
    ModelEvent,
    Observation,
    Past,
    PastObservation,
    Prediction,
    Risk,
    Risks,
    Station,
    StationAtHour,
    System,
)
from bike_demand.client.client import Client
from bike_demand.client.errors import (
    AnswerError,
    ClientError,
    ProblemError,
    TransientProblemError,
    UnreachableError,
)

__all__ = [
    "Accuracy",
    "AnswerError",
    "Champion",
    "CityForecast",
    "Client",
    "ClientError",
    "Evaluation",
    "Forecast",
    "HorizonAccuracy",
    "Hour",
    "Model",
    "ModelEvent",
    "Observation",
    "Past",
    "PastObservation",
    "Prediction",
    "ProblemError",
    "Risk",
    "Risks",
    "Station",
    "StationAtHour",
    "System",
    "TransientProblemError",
    "UnreachableError",
]
