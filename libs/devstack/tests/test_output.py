import io

from devstack.output import Output


def test_lines_come_whole_and_marked_with_their_process() -> None:
    terminal = io.BytesIO()
    sink = Output(terminal=terminal).sink("nats")
    sink.write(b'{"a":')
    sink.write(b"1}\nsecond\nthi")
    sink.close()
    assert terminal.getvalue().decode().splitlines() == [
        'nats              | {"a":1}',
        "nats              | second",
        "nats              | thi",
    ]


def test_a_very_long_line_is_passed_on_whole() -> None:
    terminal = io.BytesIO()
    sink = Output(terminal=terminal).sink("nats")
    sink.write(b"x" * 300_000 + b"\n")
    assert terminal.getvalue().count(b"x") == 300_000


def test_a_terminal_that_went_away_stops_nothing() -> None:
    class Gone(io.BytesIO):
        def write(self, _: object) -> int:
            raise BrokenPipeError

    sink = Output(terminal=Gone()).sink("nats")
    sink.write(b"one\ntwo\n")
    assert sink.tail() == "one\ntwo"
