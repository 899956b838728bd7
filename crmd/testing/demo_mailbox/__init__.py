"""A small company's mailbox, written for crmd: 400 messages, 60 people, and the answers an extractor should find.

README.md beside this file tells where it comes from and what it holds on purpose.
"""

from crmd.testing.demo_mailbox.answers import AnswerKey, Bounce, NotPerson, Owner, Person, Switchboard, answer_key
from crmd.testing.demo_mailbox.mail import DemoMessage, deliver, messages

__all__ = [
    "AnswerKey",
    "Bounce",
    "DemoMessage",
    "NotPerson",
    "Owner",
    "Person",
    "Switchboard",
    "answer_key",
    "deliver",
    "messages",
]
