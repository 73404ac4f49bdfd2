"""The bugs of `seeded`: a text of the kernel, and what stands in its place."""

from typing import NamedTuple


class Seed(NamedTuple):
    """One bug; `file` is below `firmware`."""

    name: str
    file: str
    text: str
    bug: str


def _kernel(name: str, file: str, text: str, bug: str) -> Seed:
    return Seed(name, f"kernel/{file}.py", text, bug)


_SCHEDULING = (
    _kernel(
        "at-hand-in-a-queue",
        "dispatch",
        "                me[STATE] = RUNNING\n            expire(w, now)",
        "                me[STATE] = 1\n            expire(w, now)",
    ),
    _kernel(
        "no-turns",
        "dispatch",
        "TIME_HALF == 0:\n                    push_back(w, task)",
        "TIME_HALF == 0:\n                    push_front(w, task)",
    ),
    _kernel(
        "floor-is-passed", "dispatch", "            if top >= w[FLOOR]:", "            if top > 7:"
    ),
    _kernel(
        "late-disarm",
        "levels",
        "    w[ARMED] = 0  # first: no strike comes from here on, and one that came before"
        " is seen\n"
        "    if armed == 0 or w[STRUCK]:\n        w[ARMED] = armed\n        return\n",
        "    if armed == 0 or w[STRUCK]:\n        return\n    w[ARMED] = 0\n",
    ),
    _kernel("outer-kept", "levels", "    run(kernel)\n    w[OUTER] = 0\n", "    run(kernel)\n"),
    _kernel(
        "floor-kept",
        "levels",
        "    w[FLOOR] = IDLE_PRIORITY\n    if w[STRUCK]:",
        "    if w[STRUCK]:",
    ),
    _kernel("running-kept", "levels", "    w[RUNNING_TASK] = outer\n", ""),
    _kernel(
        "doom-forgotten",
        "levels",
        "            w[STRUCK] = 1\n            remaining = 0",
        "            remaining = 0",
    ),
    _kernel(
        "floor-not-lowered",
        "priority",
        "    if task == w[OUTER]:\n        w[FLOOR] = priority\n",
        "",
    ),
    _kernel("caught-kill-forgiven", "budgets", "caught = not landed or", "caught = landed or"),
    _kernel(
        "period-without-end",
        "budgets",
        "    if period_ms and 0 < left_ms <= period_ms:",
        "    if 0:",
    ),
    _kernel("queue-never-empty", "ready", "    if task == last:\n", "    if 0:\n"),
    _kernel("tail-removed", "ready", "        w[TAILS + priority] = before\n", "        pass\n"),
    _kernel("remove-keeps-bit", "ready", "    if before == task:\n", "    if 0:\n"),
)

_PRIORITIES = (
    _kernel(
        "lent-priority-kept",
        "timeouts",
        "    if awaited[PRIORITY] != awaited[BASE]:\n        restore(w, server)",
        "    pass",
    ),
    _kernel(
        "callers-by-arrival",
        "priority",
        "        if w[here + PRIORITY] > priority:\n            break\n",
        "",
    ),
    _kernel(
        "caller-not-moved", "priority", "    elif state == CALLING:\n", "    elif state == 99:\n"
    ),
    _kernel("ready-not-moved", "priority", "    if state == READY:\n", "    if state == 99:\n"),
    _kernel(
        "lent-to-the-next-only",
        "priority",
        "        task = w[task + PEER]\n\n\n@micropython.viper\ndef restore",
        "        task = 0\n\n\n@micropython.viper\ndef restore",
    ),
    _kernel(
        "restored-next-only",
        "priority",
        "        if w[task + PRIORITY] == priority:\n            return\n",
        "        if w[task + PRIORITY] == priority:\n            return\n"
        "        if priority == w[task + BASE] and w[task + PEER]:\n            return\n",
    ),
    _kernel(
        "first-caller-lost",
        "priority",
        "                w[server + SENDERS] = w[task + NEXT]\n",
        "                w[server + SENDERS] = 0\n",
    ),
)

_WAITS = (
    _kernel(
        "circle-of-waits",
        "timeouts",
        "        w[task + STATE] = SERVED  # in no queue: `restore` may come back to it "
        "in a circle\n",
        "",
    ),
    _kernel(
        "later-deadline-first",
        "timeouts",
        "    record[FAR_MS] = 0\n"
        "    if w[DEADLINES] == 0 or (w[NEXT_DEADLINE] - deadline) & TIME_HALF == 0:",
        "    record[FAR_MS] = 0\n    if w[DEADLINES] == 0:",
    ),
    _kernel(
        "first-bound-kept",
        "timeouts",
        "            elif w[DEADLINES] == 0 or (w[NEXT_DEADLINE] - deadline) & TIME_HALF == 0:",
        "            elif w[DEADLINES] == 0:",
    ),
    _kernel("client-still-counted", "timeouts", "    awaited[CLIENTS] -= 1\n", ""),
    _kernel(
        "deadline-outlasts-wait",
        "timeouts",
        "    waiter[TIMED_WAIT] = 0\n",
        "",
    ),
    _kernel(
        "far-timeout-cut",
        "timeouts",
        "        far_ms = milliseconds - FAR_PIECE_MS\n",
        "        far_ms = 0\n",
    ),
    _kernel(
        "deadline-of-recv-kept",
        "ipc",
        "                peer[TIMED_WAIT] = 0\n",
        "                pass\n",
    ),
    _kernel(
        "caller-received-twice", "ipc", "        w[server + SENDERS] = w[caller + NEXT]\n", ""
    ),
    _kernel(
        "reply-keeps-running",
        "ipc",
        "        elif me[PRIORITY] < w[client + PRIORITY] + (1 if kind == REPLY else 0):",
        "        elif kind == REPLY or me[PRIORITY] < w[client + PRIORITY]:",
    ),
    _kernel("call-uncounted", "timeouts", "    awaited[CLIENTS] += 1\n", ""),
    _kernel(
        "call-lends-nothing",
        "ipc",
        "                    peer[PRIORITY] = me[PRIORITY]\n",
        "                    pass\n",
    ),
    _kernel(
        "refused-grant-answers",
        "ipc",
        "                me[RESULT] = FULL\n                client = 0\n",
        "                me[RESULT] = FULL\n",
    ),
)

_MESSAGES = (
    _kernel(
        "mailbox-wrap",
        "mailbox",
        "    if at >= header[MAIL_DEPTH]:",
        "    if at > header[MAIL_DEPTH]:",
    ),
    _kernel(
        "blocked-sender-forgotten",
        "mailbox",
        "    if taker[CLIENTS]:\n",
        "    if taker[CLIENTS] > 1:\n",
    ),
    _kernel("mail-not-counted", "mailbox", "    taker[MAIL_COUNT] += 1\n", ""),
    _kernel("mail-taken-twice", "mailbox", "    taker[MAIL_COUNT] -= 1\n", ""),
    _kernel(
        "caller-admitted-as-sender",
        "mailbox",
        "        if w[task + STATE] == SENDING and w[task + PEER] == server:",
        "        if w[task + PEER] == server:",
    ),
    _kernel(
        "late-reply",
        "carried",
        "    elif called[SEQUENCE] != token >> TOKEN_SHIFT:\n        caller = 0\n",
        "",
    ),
    _kernel(
        "reply-of-another",
        "carried",
        "    if called[STATE] != SERVED or called[PEER] != server:",
        "    if called[STATE] != SERVED:",
    ),
    _kernel(
        "bits-overwritten",
        "notifications",
        "    w[task + PENDING] |= bits\n",
        "    w[task + PENDING] = bits\n",
    ),
    _kernel(
        "bits-of-hard-steps-lost",
        "notifications",
        "            post(w, task, bits)\n        note += 1",
        "            pass\n        note += 1",
    ),
)

_CAPABILITIES = (
    _kernel(
        "slot-generation",
        "capabilities",
        "    w[capability + TARGET] = ((target >> SLOT_SHIFT) + 1) << SLOT_SHIFT\n",
        "    w[capability + TARGET] = target >> SLOT_SHIFT << SLOT_SHIFT\n",
    ),
    _kernel(
        "slot-generation-comes-round",
        "capabilities",
        "    w[capability + TARGET] = ((target >> SLOT_SHIFT) + 1) << SLOT_SHIFT\n",
        "    generation = (target >> SLOT_SHIFT) % HANDLE_GENERATION_MASK + 1\n"
        "    w[capability + TARGET] = generation << SLOT_SHIFT\n",
    ),
    _kernel(
        "revoke-one-pass",
        "capabilities",
        "                    found = 1\n",
        "                    found = 0\n",
    ),
    _kernel(
        "grant-of-grant",
        "carried",
        "    rights = (w[capability + TARGET] >> RIGHTS_SHIFT) & (MAY_CALL | MAY_SEND | "
        "MAY_NOTIFY)\n"
        "    badge",
        "    rights = (w[capability + TARGET] >> RIGHTS_SHIFT) & 0x27\n    badge",
    ),
    _kernel(
        "grant-unasked",
        "carried",
        "    if w[receiver + REGISTER_HANDLE] & ACCEPTING == 0:\n        return 0\n",
        "",
    ),
    _kernel(
        "death-does-not-revoke",
        "capabilities",
        "        here += CAPABILITY\n    revoke_all(w, table, end)",
        "        here += CAPABILITY",
    ),
    _kernel(
        "orphan-of-a-delete",
        "capabilities",
        "                w[here + PARENT] = parent\n",
        "                pass\n",
    ),
    _kernel(
        "manifest-not-restored",
        "capabilities",
        "            w[here + TARGET] = w[here + PARENT]\n            w[here + PARENT] = 0\n",
        "            pass\n",
    ),
    _kernel(
        "mint-with-more",
        "capabilities",
        "    if rights == 0 or rights & held != rights:",
        "    if rights == 0:",
    ),
)

_ENDS = (
    _kernel("callers-not-told", "faults", "    _answer_dead(w, task)\n    if", "    if"),
    _kernel("bits-outlive-death", "faults", "    w[server + PENDING] = 0\n", ""),
    _kernel(
        "mail-outlives-death",
        "faults",
        "        _clear_mailbox(kernel, task)\n    forget",
        "        pass\n    forget",
    ),
    _kernel(
        "dead-still-ready",
        "faults",
        "        remove(w, task)\n    leave_server",
        "        pass\n    leave_server",
    ),
    _kernel(
        "lines-outlive-death",
        "faults",
        "        mask_lines(kernel, task)\n    kernel.frames",
        "        pass\n    kernel.frames",
    ),
    _kernel("outputs-left-on", "outputs", "        hold(held)\n", ""),
    _kernel(
        "stash-given-twice",
        "control",
        "        value = None\n    stashes[number] = admit(value)",
        "        return task\n    stashes[number] = admit(value)",
    ),
)

_INTERRUPTS = (
    _kernel(
        "line-fires-on",
        "irq",
        "            w[line + LINE_FIRED] = 0\n            w[line + LINE_COUNT]",
        "            w[line + LINE_COUNT]",
    ),
    _kernel(
        "storm-one-early",
        "irq",
        "    return 1 if count > w[line + LINE_RATE] else 0",
        "    return 1 if count >= w[line + LINE_RATE] else 0",
    ),
    _kernel(
        "storm-window-for-ever",
        "irq",
        "    if count == 1 or (fired - w[line + LINE_WINDOW]) & TIME_MASK >= RATE_WINDOW_US:",
        "    if count == 1:",
    ),
    _kernel(
        "dismissed-and-hard",
        "irq",
        "            w[line + LINE_HARD] = 0\n        line += LINE\n    if",
        "            pass\n        line += LINE\n    if",
    ),
    _kernel(
        "restrike-forgotten", "hard", "        if landed:\n            kernel.port.strike()\n", ""
    ),
)

SEEDS = {
    seed.name: seed
    for group in (
        *(_SCHEDULING, _PRIORITIES, _WAITS, _MESSAGES, _CAPABILITIES, _ENDS, _INTERRUPTS),
    )
    for seed in group
}
