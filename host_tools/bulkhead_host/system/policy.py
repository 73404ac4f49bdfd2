"""What TOML files say of restarts: a service's policy, groups, and what the watchdog watches.

As in `manifest`, what is wrong goes to the report and is read as something harmless; `supervision`
looks at it in the system as a whole.
"""

from dataclasses import dataclass

from bulkhead_host.system.fields import Fields

POLICY_KEYS = (
    *("pause_first_ms", "pause_last_ms", "restarts_max", "window_ms", "on_giving_up"),
    "after",
)
STRATEGIES = ("one_for_one", "rest_for_one", "one_for_all")
GIVING_UP = ("degrade", "reset")
MODES = ("product", "development")

PAUSE_MS_MIN = 10
"""Keeps a service that fails at once from taking the processor: a start costs some 2 ms."""

PAUSE_MS_MAX = 3_600_000
WINDOW_MS_MAX = 3_600_000
RESTARTS_MAX = 32
"""The supervisor remembers the time of each."""

PERIOD_MS_MAX = 3_600_000
WATCHDOG_MS_MIN = 200
WATCHDOG_MS_MAX = 3_600_000


@dataclass(frozen=True, kw_only=True)
class Policy:
    """When the supervisor starts a service, and starts it again.

    The first restart comes at once, the others after a pause that doubles from the first to the
    last. More than `restarts_max` in `window_ms` and the service is given up; 0 is never. `after`
    are the services that have to serve before this one is started.
    """

    pause_first_ms: int = 50
    pause_last_ms: int = 5_000
    restarts_max: int = 0
    window_ms: int = 60_000
    on_giving_up: str = "degrade"
    after: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    """Services of which the fault of one is more than its own affair, as `strategy` says."""

    name: str
    strategy: str
    services: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Watchdog:
    """What is critical: services by name, each with the time in which it has to make progress.

    One that makes none for `timeout_ms` beyond that has the board reset, unless the mode is
    development.
    """

    timeout_ms: int
    is_development: bool
    periods_ms: dict[str, int]


def read_policy(table: Fields) -> Policy:
    """Return the policy in the table [service]."""
    found_before = len(table.report.problems)
    default = Policy()
    policy = Policy(
        pause_first_ms=_milliseconds(table, "pause_first_ms", default.pause_first_ms),
        pause_last_ms=_milliseconds(table, "pause_last_ms", default.pause_last_ms),
        restarts_max=table.integer("restarts_max", low=0, high=RESTARTS_MAX, default=0),
        window_ms=table.integer("window_ms", low=1, high=WINDOW_MS_MAX, default=default.window_ms),
        on_giving_up=table.choice("on_giving_up", GIVING_UP, default=default.on_giving_up),
        after=table.texts("after"),
    )
    if len(table.report.problems) == found_before:
        _check(policy, table)
    return policy


def _milliseconds(table: Fields, key: str, default: int) -> int:
    return table.integer(key, low=PAUSE_MS_MIN, high=PAUSE_MS_MAX, default=default)


def _check(policy: Policy, table: Fields) -> None:
    if policy.pause_last_ms < policy.pause_first_ms:
        key = "pause_last_ms" if "pause_last_ms" in table.values else "pause_first_ms"
        text = (
            f"service.pause_last_ms is {policy.pause_last_ms}, "
            f"and the first pause is {policy.pause_first_ms} ms (pause_first_ms)"
        )
        table.problem(key, text, "raise pause_last_ms, or lower pause_first_ms")
    is_temporary = table.values.get("restart") == "temporary"
    for key in ("window_ms", "on_giving_up", "restarts_max", "pause_first_ms", "pause_last_ms"):
        if key not in table.values:
            continue
        if is_temporary:
            text = f"service.{key} is for what is started again, and restart is temporary"
            table.problem(key, text, f"leave out {key}")
        elif key in ("window_ms", "on_giving_up") and not policy.restarts_max:
            text = f"service.{key} has no meaning without restarts_max: it is never given up"
            table.problem(key, text, f"add restarts_max, or leave out {key}")


def read_groups(top: Fields) -> tuple[Group, ...]:
    """Return the groups, [[group]] in system.toml."""
    return tuple(_group(row) for row in top.tables("group"))


def _group(row: Fields) -> Group:
    row.only("name", "strategy", "services")
    found_before = len(row.report.problems)
    services = row.texts("services")
    if len(services) < 2 and len(row.report.problems) == found_before:  # noqa: PLR2004
        row.wrong("services", "an array of two services or more")
    return Group(
        name=row.text("name"),
        strategy=row.choice("strategy", STRATEGIES),
        services=services,
    )


def read_watchdog(top: Fields) -> Watchdog | None:
    """Return what [watchdog] in system.toml says, None without one."""
    if "watchdog" not in top.values:
        return None
    table = top.table("watchdog")
    table.only("timeout_ms", "mode", "period_ms")
    periods = table.table("period_ms")
    return Watchdog(
        timeout_ms=table.integer("timeout_ms", low=WATCHDOG_MS_MIN, high=WATCHDOG_MS_MAX),
        is_development=table.choice("mode", MODES, default=MODES[0]) == "development",
        periods_ms={
            name: periods.integer(name, low=1, high=PERIOD_MS_MAX) for name in periods.values
        },
    )
