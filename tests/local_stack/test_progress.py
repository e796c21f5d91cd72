from __future__ import annotations

import io

from rich.console import Console

from local_stack.progress import LiveTable, PlainLines, Row, progress


def pipe() -> Console:
    return Console(file=io.StringIO(), width=200)


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=100)


def written(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_pipe_gets_lines_and_a_terminal_a_table() -> None:
    assert isinstance(progress(pipe()), PlainLines)
    assert isinstance(progress(terminal()), LiveTable)


def test_a_line_is_printed_for_each_change_and_for_nothing_else() -> None:
    console = pipe()
    with progress(console) as shown:
        shown.show([Row("claim_cluster"), Row("train_model")])
        shown.show([Row("claim_cluster", "running", 1, 0.1), Row("train_model")])
        shown.show([Row("claim_cluster", "running", 1, 5.2), Row("train_model")])
        shown.show([Row("claim_cluster", "success", 1, 6.0), Row("train_model")])
    lines = written(console)
    assert [line.split()[:2] for line in lines] == [
        ["claim_cluster", "running"],
        ["claim_cluster", "success"],
    ]
    assert lines[1].endswith("6.0 s")


def test_a_retry_is_told_by_its_number() -> None:
    console = pipe()
    with progress(console) as shown:
        shown.show([Row("train_model", "up_for_retry", 1, 3.0)])
        shown.show([Row("train_model", "running", 2, 0.0, note="attached to job x")])
    first, second = written(console)
    assert "will retry" in first
    assert second.endswith("try 2  attached to job x")


def test_plain_lines_carry_no_control_characters_and_no_markup_is_read_into_names() -> None:
    console = pipe()
    with progress(console) as shown:
        shown.show([Row("load[red]", "failed", 1, 1.0)])
    assert written(console) == ["load[red]                    failed              1.0 s"]


def test_the_table_shows_task_state_tries_seconds_and_note() -> None:
    console = terminal()
    with progress(console) as shown:
        shown.show([Row("prepare_features", "deferred", 2, 12.34, "batch 7")])
    text = "\n".join(written(console))
    for part in ("prepare_features", "waiting", "2", "12.3", "batch 7"):
        assert part in text
