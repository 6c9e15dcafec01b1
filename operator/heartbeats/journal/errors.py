"""What can go wrong with the journal.

JournalError(Exception)
├── JournalUnavailable      not stored as far as is known; the caller may try again
│   └── ShareExceeded       one monitor sends more than its share
└── UnreadableSegmentError  stored, but this release can't read it
"""


class JournalError(Exception):
    """Something about the journal that its caller has to handle."""


class JournalUnavailable(JournalError):  # noqa: N818 - a state, not a mistake
    """The entry is not known to be stored; answer with 503."""


class ShareExceeded(JournalUnavailable):
    """One monitor's pings take more than its share; answer them with 429."""


class UnreadableSegmentError(JournalError):
    """A stored segment can't be read by this release."""
