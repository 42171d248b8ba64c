"""Notices to people, through topics of SNS."""

from collections.abc import Mapping

from meshplane.kit.errors import TooLarge
from meshplane.platform.aws.calls import Aws

# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
# "less than 100 characters long", in ASCII, without line breaks or control characters.
MOST_SUBJECT_CHARACTERS = 99
MOST_MESSAGE_BYTES = 262_144


class Notices:
    """Publishes to a topic.

    Args:
        aws: who does.
        topic_arn: the topic. Whoever subscribes by e-mail confirms it first.
    """

    def __init__(self, aws: Aws, topic_arn: str) -> None:
        self._aws, self._topic_arn = aws, topic_arn

    async def send(
        self, subject: str, message: str, attributes: Mapping[str, str] | None = None
    ) -> str:
        """Sends a notice; its id. A lost answer may make it come twice.

        Args:
            subject: one line; what SNS does not take as one is made so, and cut at 99 characters.
            message: the text.
            attributes: by which subscriptions may choose: {"domain": "aviation"}.

        Raises:
            TooLarge: NOTICE_TOO_LARGE, the message has more than 256 KiB.
            AwsUnavailable: SNS does not answer.
        """
        if len(message.encode()) > MOST_MESSAGE_BYTES:
            raise TooLarge("NOTICE_TOO_LARGE", "A notice has at most 256 KiB.", field="message")
        told = {
            name: {"DataType": "String", "StringValue": value}
            for name, value in (attributes or {}).items()
            if value
        }
        answer = await self._aws.call(
            "sns",
            "publish",
            TopicArn=self._topic_arn,
            Subject=subject_of(subject),
            Message=message or " ",
            MessageAttributes=told,
        )
        return str(answer["MessageId"])


def subject_of(text: str) -> str:
    """A text as a subject of SNS: printable ASCII on one line."""
    line = " ".join(text.split())
    plain = "".join(each if each.isascii() and each.isprintable() else "?" for each in line)
    found = plain or "Notice"
    if len(found) <= MOST_SUBJECT_CHARACTERS:
        return found
    return f"{found[: MOST_SUBJECT_CHARACTERS - 3]}..."
