"""Draws schedules as people, machines and attackers write them.

Valid, wrong and odd ones in about the parts that find the most; nothing here says
which is which.
"""

import random
from collections.abc import Sequence
from typing import Final

_BOUNDS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_STARS: Final = (0.3, 0.3, 0.5, 0.55, 0.5)
"""How often a field is a bare star."""

_MONTHS: Final = (
    *("jan", "feb", "mar", "apr", "may", "jun"),
    *("jul", "aug", "sep", "oct", "nov", "dec"),
)
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES: Final[dict[int, tuple[str, ...]]] = {3: _MONTHS, 4: _WEEKDAYS}
_STEPS: Final = (1, 2, 3, 5, 7, 10, 15, 30, 60, 120)

_ODD_ITEMS: Final = (
    *("*-5", "?-7", "*-x-y", "*-5/2", "*/1", "?/1", "*,1", ",3", "3,", "*-", "*--"),
    *("*/0", "*/-0", "*/+2", "*/2/", "-5", "5-", "5/", "/5", "7-1", "1-2-3", "1/2/3"),
    *("L", "W", "1#2", "15W", "1.5", "0x1", "1_0", "1e1", "01", "-0", "+-1", "++5"),
    *(
        "+",
        "--",
        "a",
        "\u0663",
        "fr\u0130",
        "\u017fun",
        "\u212a",
        "9223372036854775808",
    ),
    *("*/9223372036854775807", "*/99999999999999999999", "7", "13", "24", "32", "60"),
)
_MACROS: Final = (
    *("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight"),
    "@hourly",
)
_DELAYS: Final = (
    *("1h", "90m", "1h30m", "1.5h", "30s", "1s", "999ms", "1500ms", "0", "-1h", "+5m"),
    *("1us", "1µs", "1μs", "5ns", ".5h", "1.h", ".h", "1", "h", "1d", "1 h", " 1h"),
    *("1h ", "1h1h", "", "-", "+", "+0", "-0", "00", "0.0", "0s", "1H", "m1", "1..5h"),
    *(
        "1.5.5h",
        "\u0661h",
        "1e3s",
        "1_0s",
        "24h",
        "168h",
        "876000h",
        "1m30.5s",
        "\u0663s",
    ),
    *("2562047h47m16.854775807s", "2562047h47m16.854775808s", "3000000h"),
    *("-2562047h47m16.854775808s", "9223372036854775807ns", "9223372036854775808ns"),
    *("9223372036854775808ns9223372036854775808ns", "-9223372036854775808ns"),
    *("0.100000000000000000000h", "0.9223372036854775808h", "0.3333333333333333333h"),
)
_WHOLE: Final = (
    *("", "  ", " @daily", "@daily ", "@Daily", "@every", "@every ", "@every\t1h"),
    *("@EVERY 1h", "@", "@reboot", "* * * *", "* * * * * *", "\t*\v* *\f*\r\n*"),
    *("*\u00a0*\u2003* *\u3000*", "*\x1c*\x1d* * *", "*\u200b* * * *"),
    *("* * * *\u0085", "*  *  *  *   *  ", "\ufeff* * * * *", "0 0 31 2 *"),
    *("0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 2,4,6,9,11 *", "0 0 29 2 *"),
    *("0 0 */2 * 1", "0 0 1 * MON", "* 1 * * sat", "0 0 , * 1", "0 0 , * *"),
    *("0 0 31 2 ,", "0 0 , * ,", "0 0 * , *", "0 0 13 * fri", "30 1 * * *"),
    *("30 2 * * *", "30 3 * * *", "0 0 * * *", "59 23 * * *", "0 0 1 * *"),
    *("*/30 3 * * *", "5/15 * * * *", "0 0 29 2 1", "0 0 1 1 ?", "59 23 31 12 *"),
    *("0 12 30 12 *", "0 12 31 12 *", "0 0 30 12 5", "30 0 * * *", "0 0 31 * *"),
    *("15 0 1 4 *", "0 0 31 4 *", "15 1 1 5 *", "48 3 * * *", "0 0 20,21 8 *"),
)
_ODD_ZONE_NAMES: Final = (
    *("", "Local", "local", "utc", "Nope/Zone", "America", "../etc/passwd"),
    *("/etc/localtime", "\\x", "Europe//Berlin", "./Europe/Berlin", "Europe/./Berlin"),
    *("Europe/Berlin/", "Europe/Berlin/.", "zone.tab", "tzdata.zi", "__init__.py"),
    *("EST5EDT", "Etc/..", "a" * 5000, "A/" * 50, ".", "UTC\t", "UTC\x00"),
    *("Europe/Berlin\n", "0", "Éire"),
)
_PREFIXES: Final = ("TZ=", "CRON_TZ=", "TZ=", "CRON_TZ=", "tz=", " TZ=", "CRON_TZ")
_TYPOS: Final = "0123456789*/-,? LW#@abcsunTZ=+.\t\n_İK"


class Expressions:
    """A source of schedules that draws from somebody's random numbers."""

    def __init__(self, source: random.Random, zones: Sequence[str]) -> None:
        self._random = source
        self._zones = (*zones, *_ODD_ZONE_NAMES)

    def draw(self) -> str:
        """Make a schedule."""
        kind = self._random.random()
        if kind < 0.60:
            return self._fields()
        if kind < 0.72:
            return self._as_people_write()
        if kind < 0.95:
            return self._special(kind)
        return self._mistyped(self._fields())

    def _special(self, kind: float) -> str:
        pick = self._random
        if kind < 0.78:
            return pick.choice(_MACROS)
        if kind < 0.84:
            return f"@every {self._delay()}"
        if kind < 0.91:
            # A minute or hour that never matches costs the library seconds.
            rare = ", * * * *" if pick.random() < 0.5 else "0 , * * *"
            return rare if pick.random() < 0.0005 else pick.choice(_WHOLE)
        rest = [self._fields(), pick.choice(_MACROS), f"@every {self._delay()}"]
        space = pick.choice([" ", "  ", "\t", " \u2003", "", " \t "])
        prefix = pick.choice(_PREFIXES) + pick.choice(self._zones)
        return prefix + space + pick.choice([*rest, pick.choice(_WHOLE)])

    def _as_people_write(self) -> str:
        pick = self._random
        minute, hour, night = pick.randint(0, 59), pick.choice([0, 23]), "0-3"
        day, weekday = pick.randint(1, 31), pick.randint(0, 6)
        return pick.choice(
            [
                f"{minute} {pick.randint(0, 4)} * * *",
                f"0 {pick.randint(0, 3)} * * {weekday}",
                f"{pick.choice([0, 15, 30, 45])} {night} * * *",
                f"* {pick.randint(0, 3)} * * {pick.choice(_WEEKDAYS)}",
                f"0 0 {day} * *",
                f"0 0 {day} {pick.randint(1, 12)} *",
                f"*/{pick.randint(1, 40)} {hour} * * {weekday}",
                f"30 {hour} {day} * {weekday}",
            ]
        )

    def _fields(self) -> str:
        return " ".join(self._field(number) for number in range(len(_BOUNDS)))

    def _field(self, number: int) -> str:
        pick = self._random
        if pick.random() < _STARS[number]:
            return pick.choice("***?")
        count = pick.choice([1, 1, 1, 1, 2, 2, 3])
        return ",".join(self._item(number) for _ in range(count))

    def _item(self, number: int) -> str:
        pick = self._random
        low, high = _BOUNDS[number]
        kind = pick.random()
        if kind < 0.24:
            step = pick.choice([*_STEPS, pick.randint(1, 70)])
            return pick.choice(["*", "?", f"*/{step}", f"?/{step}"])
        if kind < 0.60:
            return self._value(number)
        if kind < 0.85:
            return self._range(low, high)
        if kind < 0.93:
            return f"{self._value(number)}/{pick.randint(1, 40)}"
        if kind < 0.98:
            return f"{self._value(number)}-{self._value(number)}"
        return pick.choice([*_ODD_ITEMS, str(low - 1), str(high + 1)])

    def _range(self, low: int, high: int) -> str:
        pick = self._random
        first, last = sorted((pick.randint(low, high), pick.randint(low, high)))
        step = f"/{pick.randint(1, 20)}" if pick.random() < 0.3 else ""
        return f"{first}-{last}{step}"

    def _value(self, number: int) -> str:
        pick = self._random
        if number in _NAMES and pick.random() < 0.4:
            name = pick.choice(_NAMES[number])
            return "".join(pick.choice((c, c.upper())) for c in name)
        value = pick.randint(*_BOUNDS[number])
        if pick.random() < 0.02:
            return pick.choice(["+", "0", "000"]) + str(value)
        return str(value)

    def _delay(self) -> str:
        pick = self._random
        if pick.random() < 0.5:
            return pick.choice(_DELAYS)
        sign = pick.choice(["", "", "", "-", "+"])
        terms = (self._term() for _ in range(pick.randint(1, 4)))
        return sign + "".join(terms)

    def _term(self) -> str:
        pick = self._random
        whole = str(pick.randint(0, 10 ** pick.randint(1, 4)))
        decimals = str(pick.randint(0, 10 ** pick.randint(1, 22)))
        number = pick.choice([whole, f"{whole}.{decimals}", f".{decimals}"])
        odd = pick.random() < 0.05
        units = ["d", "", "µs", "H", " "] if odd else ["h", "m", "s", "ms", "us", "ns"]
        return number + pick.choice(units)

    def _mistyped(self, expression: str) -> str:
        pick = self._random
        letters = list(expression)
        for _ in range(pick.randint(1, 3)):
            place = pick.randrange(len(letters) + 1)
            if pick.random() < 0.4 and place < len(letters):
                del letters[place]
            else:
                letters.insert(place, pick.choice(_TYPOS))
        return "".join(letters)
