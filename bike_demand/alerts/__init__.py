"""Telling people: what is wrong, once; that it is over, once; and the channels it goes by.

No Dagster here, and no database: what is wrong is found elsewhere.
"""

from bike_demand.alerts.channels import Channel, ChannelError, channels
from bike_demand.alerts.incidents import Incident, Message, changes, lasting
from bike_demand.alerts.outbox import Outbox

__all__ = [
    "Channel",
    "ChannelError",
    "Incident",
    "Message",
    "Outbox",
    "changes",
    "channels",
    "lasting",
]
