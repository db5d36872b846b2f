"""A channel of alerts that keeps what it is given."""

from bike_demand.alerts import ChannelError, Message


class Channel:
    """Keeps what is told, unless it is down."""

    name = "kept"

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.down = False

    def send(self, message: Message) -> None:
        if self.down:
            raise ChannelError("it is down")
        self.messages.append(message)

    def told(self) -> list[tuple[str, str]]:
        """Kinds and titles of the messages, without what follows a colon."""
        return [(one.kind, one.title.partition(":")[0]) for one in self.messages]
