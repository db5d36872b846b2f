"""Slack, e-mail and a webhook: whichever the settings name."""

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from email.message import EmailMessage
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from bike_demand.alerts.incidents import Message
from bike_demand.settings import Settings

TIMEOUT_S: Final = 5


class ChannelError(Exception):
    """A channel does not take a message; the text says why and holds no secret."""


class Channel(Protocol):
    """One way to people."""

    @property
    def name(self) -> str:
        """How it is told from others."""

    def send(self, message: Message) -> None:
        """Deliver one message.

        Raises:
            ChannelError: It was not taken.
        """


@dataclass(frozen=True)
class Webhook:
    """The fields of a message as JSON, by POST. Its address is a secret: paths hold keys."""

    url: str = field(repr=False)
    name: str = "webhook"

    def send(self, message: Message) -> None:
        """Deliver; anything but a 2xx is a failure."""
        import requests

        try:
            # Not elsewhere than it was addressed to.
            answer = requests.post(
                self.url, json=asdict(message), timeout=TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            raise ChannelError(type(error).__name__) from None
        if not 200 <= answer.status_code < 300:
            raise ChannelError(f"it answered {answer.status_code}")


@dataclass(frozen=True)
class Slack:
    """A line in a channel of Slack."""

    token: str = field(repr=False)
    channel: str
    name: str = "slack"

    def send(self, message: Message) -> None:
        """Deliver."""
        from dagster_slack import SlackResource
        from slack_sdk.errors import SlackApiError

        client = SlackResource(token=self.token).get_client()
        client.timeout = TIMEOUT_S
        text = f"*{message.title}*\n{message.text}\n{message.link}"
        try:
            client.chat_postMessage(channel=self.channel, text=text)
        except SlackApiError as error:
            raise ChannelError(f"Slack answered {error.response.get('error')!r}") from None
        except OSError as error:  # no connection, or none in time
            raise ChannelError(f"Slack cannot be reached: {type(error).__name__}") from None


@dataclass(frozen=True)
class Email:
    """A mail by SMTP: `smtps://` is encrypted at once, `smtp://` where the server offers it."""

    url: str = field(repr=False)
    to: str
    name: str = "e-mail"

    def send(self, message: Message) -> None:
        """Deliver."""
        mail = EmailMessage()
        mail["Subject"] = " ".join(f"[bike_demand] {message.title}".split())[:200]
        mail["From"] = mail["To"] = self.to
        mail.set_content(f"{message.text}\n\n{message.link}\n")
        try:
            self._deliver(mail)
        except (OSError, smtplib.SMTPException) as error:
            raise ChannelError(f"the mail server: {type(error).__name__}") from None

    def _deliver(self, mail: EmailMessage) -> None:
        parts, context = urlsplit(self.url), ssl.create_default_context()
        host, encrypted = parts.hostname or "", parts.scheme == "smtps"
        if encrypted:
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                host, parts.port or 465, timeout=TIMEOUT_S, context=context
            )
        else:
            server = smtplib.SMTP(host, parts.port or 587, timeout=TIMEOUT_S)
        with server:
            server.ehlo()
            if not encrypted and server.has_extn("starttls"):
                server.starttls(context=context)
                encrypted = True
            if parts.username:
                if not encrypted:
                    raise ChannelError("the mail server does not encrypt: no password is sent")
                server.login(unquote(parts.username), unquote(parts.password or ""))
            server.send_message(mail)


def channels(settings: Settings) -> Sequence[Channel]:
    """Those that the settings name; none is fine, too."""
    found: list[Channel] = []
    if settings.slack_token and settings.slack_channel:
        found.append(Slack(settings.slack_token.get_secret_value(), settings.slack_channel))
    if settings.smtp_url and settings.alert_email:
        found.append(Email(settings.smtp_url.get_secret_value(), settings.alert_email))
    if settings.alert_webhook:
        found.append(Webhook(settings.alert_webhook.get_secret_value()))
    return found
