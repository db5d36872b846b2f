"""The two kinds of failure that the registry knows: worth another try, or not."""


class RegistryUnavailableError(RuntimeError):
    """MLflow's server or database does not answer: the same call may succeed later."""


class RegistryError(RuntimeError):
    """What was asked for cannot be had, now or later, until something is changed."""
