"""Applications that are wrong in one way each, for `bulkhead check`.

A row of `WRONG` changes files of an application that is right. The line that must be named
carries the mark `#!`; a row without one is about the file as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from bulkhead_host.abi import TASKS_MAX

MARK = "#!"

START = '["supervisor", "logger", "console", "led", "till"]'
SYSTEM = f'[system]\nname = "shop"\nboard = "pico"\nstart = {START}\n'
SERVICE = """\
from bulkhead import OK
from services.led.api import TOGGLE


def main(task):
    led = task.cap("led")
    while True:
        yield task.call(led, TOGGLE)
        yield task.sleep(500)
"""
SERVER = "def main(task):\n    while True:\n        yield task.recv()\n"
FILES = ('code = "files"', 'modules = ["os", "vfs", "builtins.open"]')
MARKED_START = f"start = {START}  #!"


def manifest(name: str = "till", *lines: str, uses: str = 'led = ["call"]') -> str:
    """Return a manifest with further lines in [service] and the capabilities `uses`."""
    head = ["[service]", f'name = "{name}"', *lines]
    head += [] if any(line.startswith("priority") for line in lines) else ["priority = 5"]
    return "\n".join([*head, "", "[uses]", uses, ""])


def pair(first: str, second: str) -> dict[str, str]:
    """Return the files of two services, `fan` and `till`, from their manifests."""
    start = START.replace('"till"', '"fan", "till"')
    return {
        "system.toml": SYSTEM.replace(START, start),
        "fan/service.toml": first,
        "fan/service.py": SERVER,
        "till/service.toml": second,
    }


def line(*rows: str) -> str:
    """Return an interrupt line of a manifest."""
    return "\n".join(["[[line]]", *rows, ""])


@dataclass(frozen=True)
class Wrong:
    """One way for an application to be wrong: its changed files, and what must be said."""

    kind: str
    file: str
    words: str
    files: Mapping[str, str] = field(default_factory=dict)
    is_warning: bool = False

    def marked(self, old: str) -> "Wrong":
        """Return the row with the mark on the line of `old` in its file."""
        text = self.files[self.file].replace(old, f"{old}  {MARK}", 1)
        return replace(self, files={**self.files, self.file: text})


def till(kind: str, words: str, text: str, *, is_warning: bool = False) -> Wrong:
    """Return a row about the manifest of `till`."""
    file = "till/service.toml"
    return Wrong(kind, file, words, {file: text}, is_warning)


def bare(kind: str, words: str, *rows: str) -> Wrong:
    """Return a row about the manifest of `spare`, which has no code of its own."""
    text = "\n".join(['[service]\nname = "spare"\npriority = 3', *rows, ""])
    start = {"system.toml": SYSTEM.replace('"till"]', '"till", "spare"]')}
    return Wrong(kind, "spare/service.toml", words, {"spare/service.toml": text, **start})


def system(kind: str, words: str, old: str, new: str) -> Wrong:
    """Return a row about a line of system.toml."""
    return Wrong(kind, "system.toml", words, {"system.toml": SYSTEM.replace(old, new)})


def watched(*lines: str, service: str = "watchdog", **files: str) -> dict[str, str]:
    """Return the files of an application with a watchdog, and `lines` of system.toml."""
    start = START.replace('"led"', f'"{service}", "led"')
    text = "\n".join([SYSTEM.replace(START, start), "[watchdog]", *lines, ""])
    return {
        "system.toml": text,
        **{
            name.replace("__", "/").replace("_toml", ".toml"): file for name, file in files.items()
        },
    }


def grouped(kind: str, words: str, *lines: str) -> Wrong:
    """Return a row about groups: `lines` follow system.toml."""
    text = "\n".join([SYSTEM, "[[group]]", *lines, ""])
    return Wrong(kind, "system.toml", words, {"system.toml": text})


def code(kind: str, words: str, text: str) -> Wrong:
    """Return a row about `till`'s code."""
    return Wrong(kind, "till/service.py", words, {"till/service.py": text})


PIN_LINE = line('name = "edge"', 'source = "pin"', 'pin = "button"')
CONSOLE_LINE = line('name = "input"', 'source = "console"')
MARKED_CONSOLE_LINE = CONSOLE_LINE.replace('"console"', '"console"  #!')

WRONG = (
    system("the TOML is broken", "the TOML is wrong", 'name = "shop"', 'name = "shop  #!'),
    system("a key twice", "cannot overwrite a value", 'name = "shop"',
           'name = "a"\nname = "b"  #!'),
    system("unknown table", "unknown key sytem", "[system]", "sytem = 1  #!\n[system]"),
    system("unknown key", "unknown key system.bord", "board", 'bord = "pico"  #!\nboard'),
    system("key missing", "system.board is missing", '[system]\nname = "shop"\nboard = "pico"',
           '[system]  #!\nname = "shop"'),
    system("wrong type", "system.name is 7, and must be a string", '"shop"', "7  #!"),
    system("unknown board", 'there is no board "picoo"', '"pico"', '"picoo"  #!'),
    system("nothing to start", "system.start is []", f"start = {START}", "start = []  #!"),
    system("started twice", 'system.start has "led" twice', '"till"]', '\n"till",\n"led" #!\n]'),
    system("no folder", "no folder tillll with a service.toml", '"till"]', '\n"tillll" #!\n]'),
    system("package not installed", "system.packages names bme281, which is no package",
           'name = "shop"', 'name = "shop"\npackages = ["bme281"]  #!'),
    system("package of the board's own", "system.packages names kernel, which the board has",
           'name = "shop"', 'name = "shop"\npackages = ["kernel"]  #!'),
    system("no supervisor", "has no supervisor", f"start = {START}",
           MARKED_START.replace('"supervisor", ', "").replace('"logger", "console", ', "")),
    Wrong("two of a name", "system.toml", "there are two services till",
          {"system.toml": SYSTEM.replace(f"start = {START}", MARKED_START),
           "services/till/service.toml": manifest(), "services/till/service.py": SERVICE}),
    Wrong("too many services", "system.toml", f"more services than TASKS_MAX: {TASKS_MAX},",
          {"system.toml": SYSTEM.replace(
              f"start = {START}",
              f"start = {START[:-1]}, {', '.join(f'{chr(34)}s{n}{chr(34)}' for n in range(67))}]"
              "  #!"),
           **{f"s{n}/service.toml": manifest(f"s{n}") for n in range(67)},
           **{f"s{n}/service.py": SERVER for n in range(67)}}),
    till("unknown key of a service", "unknown key service.prio", manifest("till", "prio = 5 #!")),
    till("code beside a manifest for other code", "service.code is led, and there is code in",
         manifest("till", 'code = "led"  #!')),
    bare("code that does not ship", "there is no service ledd with code, for service.code",
         'code = "ledd"  #!'),
    bare("setting that the code lacks", "unknown key config.quota",
         *FILES, "[config]", "quota = 3  #!"),
    bare("setting of another kind", "config.medium is 3, and must be like 'flash'",
         *FILES, "[config]", "medium = 3  #!"),
    till("setting that is no value", "config.pins is [1], and must be an integer",
         manifest() + "[config]\npins = [1]  #!\n"),
    Wrong("asyncio of two", "till/service.toml", "asyncio has one queue of tasks, and fan uses it",
          pair(manifest("fan", 'modules = ["asyncio"]'),
               manifest("till", 'modules = ["asyncio"]  #!'))),
    till("name of the folder", 'service.name is "til", and its folder is till',
         manifest().replace('"till"', '"til"  #!')),
    till("priority out of range", "service.priority is 8, and must be an integer from 0 to 7",
         manifest("till", "priority = 8  #!")),
    till("priority missing", "service.priority is missing",
         '[service]  #!\nname = "till"\n[uses]\nled = ["call"]\n'),
    till("budget 0", "service.budget_ms is 0, and must be an integer from 1",
         manifest("till", "budget_ms = 0  #!")),
    till("restart kind", 'service.restart is "always", and must be one of permanent',
         manifest("till", 'restart = "always"  #!')),
    till("heartbeat within a step", "service.heartbeat_ms is 20, and one step may take 20 ms",
         manifest("till", "heartbeat_ms = 20  #!", "budget_ms = 20")),
    till("period without budget", "service.period_budget_ms is missing",
         manifest("till", "period_ms = 100").replace("[service]", "[service]  #!")),
    till("budget over its period", "period_budget_ms is 101, more than the period of 100 ms",
         manifest("till", "period_ms = 100", "period_budget_ms = 101  #!")),
    till("step over the period's budget", "one step may use more than a whole period may",
         manifest("till", "budget_ms = 11  #!", "period_ms = 100", "period_budget_ms = 10")),
    Wrong("budgets over 100 %", "till/service.toml",
          "the budgets come to 110 % of the processor: fan 50 %, till 60 %",
          pair(manifest("fan", "period_ms = 100", "period_budget_ms = 50"),
               manifest("till", "period_ms = 50", "period_budget_ms = 30  #!"))),
    till("pin that the board lacks", "board pico has no pin lamp",
         manifest("till", 'pins = [\n"lamp"  #!\n]')),
    till("pin of another", "pin led belongs to led and to till",
         manifest("till", 'pins = ["led"]  #!')),
    till("pin twice", 'service.pins has "button" twice',
         manifest("till", 'pins = ["button",\n"button"  #!\n]')),
    till("interrupt line twice", "the interrupt line of pin button belongs to till twice",
         manifest() + PIN_LINE
         + line('name = "edge2"', 'source = "pin"', 'pin = "button"  #!')),
    Wrong("interrupt line of two", "till/service.toml",
          "the interrupt line of pin button belongs to fan and to till",
          pair(manifest("fan") + PIN_LINE, manifest() + PIN_LINE.replace('ton"', 'ton"  #!'))),
    till("console of two", "the console's input belongs to console and to till",
         manifest() + MARKED_CONSOLE_LINE),
    till("trigger unknown", 'line.trigger is "edge", and must be one of falling',
         manifest() + PIN_LINE + 'trigger = "edge"  #!\n'),
    till("line without pin", "line.pin is missing",
         manifest() + "[[line]]  #!\n" + 'name = "edge"\nsource = "pin"\n'),
    till("unknown service in uses", "till uses fan, which is not in the system",
         manifest(uses='fan = ["call"]  #!\nled = ["call"]')),
    till("unknown right", 'unknown right "write" to led', manifest(uses='led = ["write"]  #!')),
    till("no right", "led is used without any right", manifest(uses="led = []  #!")),
    till("control of a service", 'only kernel and supervisor grant "control", not led',
         manifest(uses='led = ["control", "call"]  #!')),
    till("send without mailbox", "till sends to led, which has no mailbox",
         manifest(uses='led = ["send"]  #!')),
    till("mailbox policy", 'mailbox.when_full is "wait", and must be one of fail',
         manifest() + '[mailbox]\ndepth = 2\nwhen_full = "wait"  #!\n'),
    till("mailbox of nothing", "mailbox.depth is 0",
         manifest() + '[mailbox]\ndepth = 0  #!\nwhen_full = "fail"\n'),
    till("handle twice", "two capabilities of till are called led",
         manifest() + PIN_LINE.replace('"edge"', '"led"  #!')),
    till("handle twice in uses", "cannot overwrite a value",
         manifest(uses='led = ["call"]\nled = ["notify"]  #!')),
    Wrong("cycle of calls", "till/service.toml",
          "calls go in a cycle: fan calls till, till calls fan",
          pair(manifest("fan", uses='till = ["call"]'),
               manifest("till", uses='led = ["call"]\nfan = ["call"]  #!'))),
    till("call to itself", "calls go in a cycle: till calls till",
         manifest(uses='led = ["call"]\ntill = ["call"]  #!')),
    Wrong("supervisor that waits", "supervisor/service.toml", "may not wait for logger",
          {"supervisor/service.toml": manifest("supervisor", "priority = 0",
                                               uses='logger = ["call"]  #!'),
           "supervisor/service.py": SERVER, "supervisor/api.py": ""}),
    Wrong("supervisor below others", "supervisor/service.toml", "supervisor has priority 1",
          {"supervisor/service.toml": manifest("supervisor", "priority = 1  #!",
                                               uses='kernel = ["control"]'),
           "supervisor/service.py": SERVER}),
    Wrong("priority inversion", "till/service.toml",
          "till (priority 1) waits for logger (priority 2), whose steps",
          {"till/service.toml": manifest("till", "priority = 1", "budget_ms = 5",
                                         uses='logger = ["call"]  #!'),
           "till/service.py": SERVICE.replace('task.cap("led")', 'task.cap("logger")').replace(
               "services.led.api import TOGGLE", "services.logger.api import NEXT as TOGGLE")},
          is_warning=True),
    till("pause of nothing", "service.pause_first_ms is 5, and must be an integer from 10",
         manifest("till", "pause_first_ms = 5  #!")),
    till("pauses that shrink", "service.pause_last_ms is 20, and the first pause is 50 ms",
         manifest("till", "pause_last_ms = 20  #!")),
    till("window without a most", "service.window_ms has no meaning without restarts_max",
         manifest("till", "window_ms = 1000  #!")),
    till("giving up without a most", "service.on_giving_up has no meaning without restarts_max",
         manifest("till", 'on_giving_up = "reset"  #!')),
    till("giving up unknown", 'service.on_giving_up is "stop", and must be one of degrade, reset',
         manifest("till", "restarts_max = 3", 'on_giving_up = "stop"  #!')),
    till("restarts of what is temporary", "service.restarts_max is for what is started again",
         manifest("till", 'restart = "temporary"', "restarts_max = 3  #!")),
    till("after what is not there", "till is started after fan, which is not in the system",
         manifest("till", 'after = [\n"led",\n"fan"  #!\n]')),
    Wrong("after in a circle", "till/service.toml",
          "none of these can be started: fan after till after fan",
          pair(manifest("fan", 'after = ["till"]', uses='led = ["call"]'),
               manifest("till", 'after = ["fan"]  #!'))),
    till("after itself", "none of these can be started: till after till",
         manifest("till", 'after = ["till"]  #!')),
    grouped("strategy unknown", 'group.strategy is "one", and must be one of one_for_one',
            'name = "shop"', 'strategy = "one"  #!', 'services = ["led", "till"]'),
    grouped("group of one", "group.services is [\"till\"], and must be an array of two",
            'name = "shop"', 'strategy = "one_for_all"', 'services = ["till"]  #!'),
    grouped("group without a name", "group.name is missing, and must be a string",
            'strategy = "one_for_all"', 'services = ["led", "till"]').marked("[[group]]"),
    grouped("group of what is not there", "group shop names fan, which is not in the system",
            'name = "shop"', 'strategy = "one_for_all"', 'services = ["led",\n"fan"  #!\n]'),
    grouped("supervisor in a group", "the supervisor is in no group",
            'name = "shop"', 'strategy = "one_for_all"', 'services = ["led",\n"supervisor" #!\n]'),
    grouped("in two groups", "till is in group shop already",
            'name = "shop"', 'strategy = "one_for_all"', 'services = ["led", "till"]',
            '[[group]]\nname = "other"\nstrategy = "one_for_all"',
            'services = ["logger",\n"till"  #!\n]'),
    grouped("two groups of a name", "there are two groups shop",
            'name = "shop"', 'strategy = "one_for_all"', 'services = ["led", "till"]',
            '[[group]]\nname = "shop"  #!\nstrategy = "one_for_all"',
            'services = ["logger", "console"]'),
    grouped("group against the start order", "group shop has led after till, and system.start",
            'name = "shop"', 'strategy = "rest_for_one"', 'services = ["till",\n"led"  #!\n]'),
    Wrong("watchdog without a service", "system.toml", "which is not in the system",
          {"system.toml":
           SYSTEM + "[watchdog]  #!\ntimeout_ms = 500\nperiod_ms = { till = 9 }\n"}),
    Wrong("watchdog without its timeout", "system.toml", "watchdog.timeout_ms is missing",
          watched("[watchdog.period_ms]", "till = 100")).marked("[watchdog]"),
    Wrong("watchdog mode", "system.toml", 'watchdog.mode is "debug", and must be one of product',
          watched("timeout_ms = 500", 'mode = "debug"  #!', "period_ms = { till = 100 }")),
    Wrong("watchdog timeout too short", "system.toml", "watchdog.timeout_ms is 100, and must be",
          watched("timeout_ms = 100  #!", "period_ms = { till = 100 }")),
    Wrong("watchdog of what is not there", "system.toml", "the watchdog is to watch fan, which",
          watched("timeout_ms = 500", "[watchdog.period_ms]", "till = 100", "fan = 100  #!")),
    Wrong("watchdog of itself", "system.toml", "the watchdog does not watch itself",
          watched("timeout_ms = 500", "[watchdog.period_ms]", "watchdog = 100  #!")),
    Wrong("a critical service that ends", "system.toml", "till is critical, and temporary",
          watched("timeout_ms = 500", "[watchdog.period_ms]", "till = 100  #!",
                  till__service_toml=manifest("till", 'restart = "temporary"'))),
    Wrong("a report nobody wants", "till/service.toml", "till reports to the watchdog, which does",
          watched("timeout_ms = 500", "period_ms = { led = 100 }",
                  till__service_toml=manifest(uses='watchdog = ["send"]  #!\nled = ["call"]'))),
    system("a watchdog with nothing to watch", "the watchdog has nothing to watch",
           '"till"]', '"till",\n"watchdog"  #!\n]'),
    code("syntax error", "invalid syntax", "def main(task)  #!\n    yield\n"),
    code("syntax that MicroPython lacks", "it does not compile for MicroPython: SyntaxError",
         "def main(task):\n    match (yield):  #!\n        case _:\n            pass\n"),
    code("no main", "it has no main(task)", '"""Nothing."""\n'),
    code("main without yield", "main(task) must be a generator function or an async def",
         "def main(task):  #!\n    lambda: (yield)\n    task.sleep(1)\n"),
    code("main of two arguments", "main takes 2 arguments, and is called with one",
         "def main(task, led):  #!\n    yield task.recv()\n"),
    code("module not in the manifest", "import of 'machine.Pin' is not in its service.toml",
         f"from machine import Pin  #!\n\n\n{SERVER}"),
    code("the kernel", "import of 'kernel.ipc' is not in its service.toml",
         f"import kernel.ipc  #!\n\n\n{SERVER}"),
    code("another's insides", "import of 'services.led.service.main' is not in its",
         f"from services.led.service import main as led  #!\n\n\n{SERVER}"),
    code("a service not there", "imports services.fan.api: fan is not in the system",
         f"from services.fan.api import SPEED  #!\n\n\n{SERVER}"),
    code("a builtin that reaches out", "builtin 'exec' is not in its service.toml",
         f"exec('import machine')  #!\n\n\n{SERVER}"),
    code("a pin that is another's", "pin led is not its own: name it under pins in service.toml",
         f"from bulkhead_board import LED  #!\n\n\n{SERVER}"),
    code("a pin constant of no board", "board pico has no pin lamp",
         f"from bulkhead_board import LAMP  #!\n\n\n{SERVER}"),
    till("pin by its other name", "pin gp25 belongs to led and to till (led is the same pin)",
         manifest("till", 'pins = ["gp25"]  #!')),
    code("a capability not granted", "no capability 'motor': name it under [uses] in service.toml",
         'def main(task):\n    yield task.notify(task.cap("motor"), 1)  #!\n'),
    Wrong("a call without the right", "till/service.py", "no right to call led: the manifest",
          {"till/service.toml": manifest(uses='led = ["notify"]'),
           "till/service.py": SERVICE.replace("TOGGLE)", "TOGGLE)  #!")}),
    code("a send without the right", "no right to send led: the manifest",
         'def main(task):\n    yield task.send(task.cap("led"), 1)  #!\n'),
    code("an operation above the last", "the operation is 192, and has to be",
         'def main(task):\n    yield task.call(task.cap("led"), 192)  #!\n'),
    code("an operation below the first", "the operation is -1, and has to be",
         'def main(task):\n    yield task.call(task.cap("led"), -1)  #!\n'),
    code("an operation that is no number", "the operation is 'set', and has to be",
         'def main(task):\n    yield task.call(task.cap("led"), "set")  #!\n'),
    code("a status above the last", "the status is 192, and has to be",
         'def main(task):\n    yield task.reply(192)  #!\n'),
    code("a status that is a bool", "the status is True, and has to be",
         'def main(task):\n    yield task.reply_recv(True)  #!\n'),
    code("a sleep of 25 days", "the pause is 2147483648, and has to be",
         'def main(task):\n    yield task.sleep(2 ** 31)  #!\n'),
    code("a sleep of half a millisecond", "the pause is 0.5, and has to be",
         'def main(task):\n    yield task.sleep(0.5)  #!\n'),
    code("a timeout of 25 days", "the timeout is 2147483648, and has to be",
         'def main(task):\n    yield task.recv(timeout_ms=1 << 31)  #!\n'),
    Wrong("the kernel's bits", "till/service.py", "the bits is 67108864, and has to be",
          {"till/service.toml": manifest(uses='led = ["notify"]'),
           "till/service.py":
           'def main(task):\n    yield task.notify(task.cap("led"), 1 << 26)  #!\n'}),
    Wrong("a constant that no operation is", "till/service.py", "the operation is 200, and has to",
          {"till/service.py": "from micropython import const\n\nSET = const(200)\n\n\n"
           'def main(task):\n    yield task.call(task.cap("led"), SET)  #!\n'}),
    Wrong("an api with an operation too high", "till/api.py", "the operation SET is 192, and",
          {"till/api.py": "from micropython import const\n\nSET = const(192)  # -> OK #!\n"}),
    Wrong("no code", "till/service.toml", "till has no service.py",
          {"till/service.toml": manifest().replace('"till"', '"till"  #!'),
           "till/service.py": ""}),
)  # fmt: skip


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write the application that is right, with `files` in place of its own."""
    whole = {"system.toml": SYSTEM, "till/service.toml": manifest(), "till/service.py": SERVICE}
    for name, text in {**whole, **files}.items():
        path = folder / name
        if text or path.name == "api.py":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return folder


def marked_line(text: str) -> int:
    """Return the line that carries the mark, 0 without one."""
    lines = [number for number, row in enumerate(text.splitlines(), start=1) if MARK in row]
    return lines[0] if lines else 0
