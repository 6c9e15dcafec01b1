"""The clock of a scenario: a test turns it, and the API server's Date goes along.

True time is the machine's, moved by as much as the test likes. The machine may be
wrong about it; then only the correction by the Date header finds the truth.
"""

from datetime import datetime, timedelta

from heartbeats.clock import CorrectedClock, SystemClock


class _Machine:
    """The machine's clock: true time plus its error."""

    def __init__(self) -> None:
        self._system = SystemClock()
        self.shift = timedelta()
        self.error = timedelta()

    def truth(self) -> datetime:
        return self._system.now() + self.shift

    def now(self) -> datetime:
        return self.truth() + self.error

    def monotonic(self) -> float:
        return self._system.monotonic()


class TurnedClock(CorrectedClock):
    """Corrects itself by real answers of a real server, in the scenario's time."""

    def __init__(self) -> None:
        self._machine = _Machine()
        super().__init__(self._machine)

    @property
    def truth(self) -> datetime:
        """Return the scenario's instant, whatever the machine believes."""
        return self._machine.truth()

    def turn_to(self, at: datetime) -> None:
        """Make it this instant; time goes on from there as it always does."""
        self._machine.shift += at - self._machine.truth()

    def step(self, error: timedelta) -> None:
        """Set the machine's clock wrong by so much; true time stays."""
        self._machine.error = error

    def compare(
        self, server_at: datetime, *, sent_at: datetime, received_at: datetime
    ) -> None:
        """Take in an answer's Date, as a server in the scenario's time sends it."""
        super().compare(
            server_at + self._machine.shift, sent_at=sent_at, received_at=received_at
        )
