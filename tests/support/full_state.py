"""A state in which nothing is absent, made from the model's own types.

A field that is added to the model is in it without a change here.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import NoneType
from typing import Any, NewType, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import fields, replace

from heartbeats.core.model import Policy, Run, State
from heartbeats.core.schedule import timetable
from heartbeats.core.status import to_status
from support.resources import Object

AT = datetime(2026, 11, 21, 2, 0, 0, 123456, tzinfo=UTC)


def sample(kind: Any) -> Any:
    """Return a value of a type as the model uses it; TypeError for a new sort."""
    if isinstance(kind, NewType):
        return sample(kind.__supertype__)
    if NoneType in get_args(kind):
        [present] = [each for each in get_args(kind) if each is not NoneType]
        return sample(present)
    if get_origin(kind) is tuple:
        return _samples(get_args(kind))
    if issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind)
        make: Any = kind
        return make(**{each.name: sample(hints[each.name]) for each in fields(kind)})
    if issubclass(kind, StrEnum):
        return list(kind)[-1]
    known = {datetime: AT, timedelta: timedelta(hours=1), str: "text", int: 7}
    return known[kind] if kind in known else bool(kind(True))


def _samples(kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    if kinds[-1] is Ellipsis:
        return (sample(kinds[0]),)
    return tuple("text" if kind is object else sample(kind) for kind in kinds)


def full_status() -> Object:
    """Return the status that the operator writes of such a state."""
    state: State = sample(State)
    run: Run = state.history[0]
    state = replace(state, history=(replace(run, outcome="missed"),))
    policy: Policy = replace(sample(Policy), schedule="0 2 * * *", time_zone="UTC")
    return to_status(state, policy, timetable(policy), generation=3, now=AT)
