"""The course: each solution does what its lab asks for, and what is half done is not taken."""

import subprocess
import sys
from pathlib import Path

import pytest
from course.grade import HAND_INS, grade, main
from course.labs import LABS

SOLUTIONS = Path(__file__).parents[1] / "course" / "solutions"
# Half a solution: what of the whole one is taken out, and what check has to miss it.
HALVES = [
    ("lab1", "task.sleep(ticks_diff(due, ticks_ms()))\n\n\ndef work",
     "task.sleep(20)\n\n\ndef work", "slow sends"),
    ("lab1", "due = ticks_add(due, 10)\n", "due = ticks_add(due, 13)\n", "fast sends"),
    ("lab2", "type(task.arg) is int and ", "task.arg and ", "nonsense"),
    ("lab2", "0 <= task.arg <= 1000", "0 < task.arg < 1000", "answer as they say"),
    ("lab2", "status, value = REFUSED, None", "pass", "nonsense"),
    ("lab3", "0 <= task.arg <= 500", "task.arg <= 500", "nonsense"),
    ("lab3", "wait_ms = min(", "wait_ms = max(", "its own time"),
    ("lab4", "while (yield task.reopen(sink)) == DEAD:", "if status == DEAD:",
     "a server that fails"),
    ("lab4", ", timeout_ms=50)\n        while", ")\n        while", "asked again, soon"),
    ("lab5", "            yield task.stash(total)  # before anybody is told\n"
     "            operation = yield task.reply_recv(OK, total)\n",
     "            yield task.reply(OK, total)\n            yield task.stash(total)\n"
     "            operation = yield task.recv()\n", "right after"),
    ("lab5", "    yield task.stash(total)\n    operation", "    operation", "after POISON"),
    ("lab6", "    yield task.revoke(lent)\n", "", "and after the return no more"),
    ("lab6", " and task.badge() == holder", "", "nobody returns"),
    ("lab6", "task.recv(timeout_ms=LOAN_MS)", "task.recv()", "ends by itself"),
    ("lab7", "yield task.sleep(SETTLE_MS)", "yield task.sleep(2)", "bouncing"),
    ("lab8", "task.badge()", "0", "no client reads"),
    ("lab8", " and len(own) >= KEYS_MAX", " and False", "its own room"),
    ("lab8", " and len(value) <= 32", "", "REFUSED"),
    ("lab8", "1 <= len(arg) <= 16", "len(arg) <= 16", "REFUSED"),
    ("lab8", "type(arg) is str and ", "", "REFUSED"),
]  # fmt: skip


@pytest.mark.parametrize("lab", sorted(LABS))
def test_a_solution_does_all_and_what_a_student_begins_with_does_not(lab: str) -> None:
    solved = grade(lab, SOLUTIONS / f"{lab}.py")
    assert [problem for _, problem in solved if problem] == []
    begun = grade(lab, HAND_INS / f"{lab}.py")
    assert any(problem for _, problem in begun)


# What students begin with: a change of the solution of lab 1, and what they are told.
SLIPS = {
    "a forgotten yield": (
        "yield task.send(log, TICK)",
        "task.send(log, TICK)",
        "line 16: task.send(...) does nothing by itself: the yield is missing",
    ),
    "a slip of the pen": ("    while True:", "    while True", "line 15: expected ':'"),
    "a loop without a yield": (
        "        yield task.send(log, TICK)\n",
        "        while True:\n            pass\n",
        "fast has failed: it held the processor for longer than its budget, without a yield, "
        "at line 1",
    ),
    "a function that ends": (
        "yield task.send(log, TICK)",
        "return (yield task.send(log, TICK))",
        "fast has failed: its function has ended, and a service goes on for ever",
    ),
    "a name for a handle": ('task.send(log, TICK)', 'task.send("log", TICK)', ", at line 16"),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_told_by_its_line(
    slip: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, wrong, words = SLIPS[slip]
    text = (SOLUTIONS / "lab1.py").read_text()
    assert whole in text
    hand_in = tmp_path / "hand_in.py"
    hand_in.write_text(text.replace(whole, wrong, 1))
    assert main(["lab1", "--hand-in", str(hand_in)]) == 1
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    "half", HALVES, ids=[f"{half[0]}-{number}" for number, half in enumerate(HALVES)]
)
def test_half_a_solution_is_not_taken(half: tuple[str, str, str, str], tmp_path: Path) -> None:
    lab, whole, rest, missing = half
    text = (SOLUTIONS / f"{lab}.py").read_text()
    assert whole in text
    hand_in = tmp_path / "hand_in.py"
    hand_in.write_text(text.replace(whole, rest))
    problems = [text for text, problem in grade(lab, hand_in) if problem]
    assert any(missing in text for text in problems), problems


@pytest.mark.parametrize(
    "text",
    [
        "def fast(task:\n",
        "import no_such_module\n",
        "raise SystemExit(0)\n",
        "def fast(task):\n    while True:\n        pass\n    yield\n\nslow = fast\n",
        "def fast(task):\n    return 3\n\nslow = fast\n",
        "",
    ],
)
def test_a_hand_in_that_is_broken_is_graded_and_not_believed(text: str, tmp_path: Path) -> None:
    hand_in = tmp_path / "hand_in.py"
    hand_in.write_text(text)
    assert all(problem for _, problem in grade("lab1", hand_in))


def test_the_grader_prints_a_line_for_each_and_exits_with_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["lab2", "--hand-in", str(SOLUTIONS / "lab2.py")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "lab2: 2 of 2"
    assert main(["lab2", "--hand-in", str(HAND_INS / "lab2.py")]) == 1
    said = capsys.readouterr().out
    assert "lab2: no  nonsense is REFUSED" in said
    assert said.splitlines()[-1] == "lab2: 0 of 2"


def test_each_lab_has_a_text_that_names_its_file_and_its_command() -> None:
    for lab in LABS:
        text = (HAND_INS.parent / "pages" / "course" / f"{lab}.md").read_text(encoding="utf-8")
        assert f"`host_tools/docs/course/{lab}.py`" in text
        assert f"make grade ARGS={lab}\n" in text
    assert {path.stem for path in HAND_INS.glob("*.py")} == set(LABS)


def test_a_lab_that_there_is_none_of_exits_with_2() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["lab9"])
    assert ended.value.code == 2


def test_the_command_grades_beside_no_test_run() -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "course.grade", "lab1"],
        cwd=root / "tests",
        env={"PYTHONPATH": f"{root}/firmware/port/cpython:{root}/firmware"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith("lab1: 0 of 3\n")
