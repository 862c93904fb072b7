"""Jobs and facts cross as records: nothing is lost, and nothing else is taken for one."""

import json
from dataclasses import replace
from typing import Any

import pytest

from sandboxes.protocol.child import ANSWER, Answer, Answers, Orders, Role, TestOrders, read_message
from sandboxes.protocol.config import BoxConfig, Confinement
from sandboxes.protocol.facts import CompileFacts, End, Signal, TesterFacts, TesterTest, TestFacts, TestOutcome
from sandboxes.protocol.frames import HEAD, BrokenFrame, Reader, to_frame
from sandboxes.protocol.job import BuiltFile, Job, Limits, Mode, Run, Toolchain
from sandboxes.protocol.messages import Broken, Done, Hello, Message, Spent, Start, Stop
from sandboxes.protocol.records import BrokenRecord, pack, unpack
from sandboxes.protocol.report import Collected, Finished, Report, Unusable, from_payload, to_payload

LIMITS = Limits(time_limit_s=1, wall_limit_s=5.5, memory_limit_mb=64, output_limit_kb=8, max_processes=4)
JOB = Job(
    mode=Mode.STDIO,
    source=b"print(1)\xff",
    toolchain=Toolchain(
        source_file="a.c", compile=("cc", "é"), run=("./a",), env=(("A", "1"), ("B", "")), min_processes=3
    ),
    limits=LIMITS,
    runs=(
        Run(),
        Run(stdin=b"\0", argv=("x", "\ud800"), files={"a/b": b"c", "d": b""}, fetch=("e",), output_limit_kb=0),
    ),
    calls=(b"[]", b""),
    side_files={"s": b"t"},
    entry_point="",
    tests={"tests.py": "assert f()"},
    module="m",
    built={"a": BuiltFile(content=b"\x7fELF", executable=True), "b/c": BuiltFile(content=b"")},
    keep_build=True,
    keep_stderr=True,
)
FACT = TestFacts(
    index=3,
    end=End.SIGNALED,
    exit_code=1,
    signal=9,
    stdout=b"o" * 70_000,
    stderr=b"e",
    value=b"v",
    files={"x": b"y"},
    message="m",
    time_s=0.25,
    wall_s=1,
    memory_mb=2.5,
    signals=(Signal.LEFT_PROCESSES, Signal.ENDED_EARLY),
)
MESSAGES: list[Message] = [
    Hello(digest="d", python="3"),
    Start(number=7, job=JOB),
    Start(number=8, job=Job(mode=Mode.CALL, source=b"", toolchain=Toolchain(source_file="s"), limits=LIMITS)),
    Stop(number=7),
    CompileFacts(end=End.EXITED, stdout=b"1", stderr=b"2", built={}),
    CompileFacts(end=End.EXITED),
    FACT,
    TesterFacts(
        tests=(
            TesterTest(id="a", outcome=TestOutcome.MISSING),
            TesterTest(id="b", outcome=TestOutcome.PASSED, time_s=1.5),
        ),
        finished=False,
        program_end=End.LOST,
    ),
    TesterFacts(tests=(), finished=True),
    Done(number=7, refused="no"),
    Spent(number=7, why="much"),
    Broken(message="b"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
def test_every_message_arrives_as_it_was_sent(message: Message, chunk_bytes: int) -> None:
    stream = to_frame(message) + to_frame(Stop(number=1))
    reader = Reader()
    chunks = [stream[at : at + chunk_bytes] for at in range(0, len(stream), chunk_bytes)]
    assert [found for chunk in chunks for found, _ in reader.feed(chunk)] == [message, Stop(number=1)]


def test_messages_that_go_out_together_share_a_frame_and_hold_its_body_once() -> None:
    facts = [TestFacts(index=n, end=End.RETURNED, value=b"%d" % n) for n in range(3)]
    sent: list[Message] = [*facts, Done(number=1)]
    stream = to_frame(*sent)
    assert HEAD.unpack_from(stream)[0] == 0
    assert list(Reader().feed(stream)) == [(facts[0], 3), (facts[1], 0), (facts[2], 0), (sent[3], 0)]


def test_fields_that_have_their_default_are_left_out() -> None:
    assert pack(TestFacts(index=0, end=End.EXITED)) == ({"index": 0, "end": "exited"}, [])


@pytest.mark.parametrize(
    "change",
    [
        {"index": "3"}, {"index": 3.0}, {"index": True}, {"index": None}, {"end": "well"}, {"end": 1}, {"end": None},
        {"stdout": "text"}, {"stdout": 99}, {"stdout": -1}, {"stdout": True}, {"stdout": None}, {"files": []},
        {"files": {"x": "y"}}, {"message": 1}, {"time_s": "1"}, {"time_s": float("nan")},
        {"time_s": float("inf")}, {"time_s": True}, {"signals": "ended_early"}, {"signals": ["x"]}, {"signals": {}},
        {"verdict": "accepted"}, {"__class__": 1},
    ],
)  # fmt: skip
def test_a_record_with_a_field_of_another_type_is_none(change: dict[str, Any]) -> None:
    head, blobs = pack(FACT)
    assert isinstance(head, dict)
    with pytest.raises(BrokenRecord):
        unpack(TestFacts, {**head, **change}, blobs)


@pytest.mark.parametrize("head", [None, 1, "x", [], [{}], {}, {"index": 1}, {"end": "exited"}])
def test_what_is_not_the_object_of_a_record_is_none(head: Any) -> None:
    with pytest.raises(BrokenRecord):
        unpack(TestFacts, head)


def test_pairs_and_optional_records_are_checked_too() -> None:
    head, blobs = pack(JOB)
    assert isinstance(head, dict)
    toolchain: dict[str, Any] = head["toolchain"]  # type: ignore[assignment]
    changes: list[dict[str, Any]] = [
        {"toolchain": {**toolchain, "env": [["A"]]}},
        {"toolchain": {**toolchain, "env": [["A", "1", "2"]]}},
        {"toolchain": {**toolchain, "env": [["A", 1]]}},
        {"built": {"a": {"content": "x"}}},
        {"built": [1]},
        {"entry_point": 1},
        {"runs": [{"fetch": ["e", 1]}]},
    ]
    for changed in changes:
        with pytest.raises(BrokenRecord):
            unpack(Job, {**head, **changed}, blobs)


def _frame(kind: int, head: bytes, body: bytes = b"") -> bytes:
    return HEAD.pack(kind, len(head), len(body)) + head + body


@pytest.mark.parametrize(
    "stream",
    [
        b"HTTP/1.1 200",
        _frame(0, b"[{},[]]"),
        _frame(0, b'[[[7,{"number":1}],[99,{}]],[]]'),
        _frame(0, b'[[[7,{"number":1}],[0,[]]],[]]'),
        _frame(0, b'[[[7,{"number":1}],{"number":1}],[]]'),
        _frame(0, b'[[["7",{"number":1}]],[]]'),
        _frame(99, b"[{},[]]"),
        _frame(7, b"{"),
        _frame(7, b"\xff"),
        _frame(7, b"[" * 100_000),
        _frame(7, b'{"number": 1}'),
        _frame(7, b'[{"number": 1}]'),
        _frame(7, b'[{"number": 1}, 3]'),
        _frame(7, b'[{"number": 1}, [1]]'),
        _frame(7, b'[{"number": 1}, [-1, 1]]'),
        _frame(7, b'[{"number": 1}, ["1"]]'),
        _frame(7, b'[{"number": 1}, []]', b"x"),
        _frame(7, b'[{"number": 1}, [2]]', b"x"),
        _frame(7, b'[{"number": "1"}, []]'),
        _frame(5, b'[{"index": 0, "end": "exited", "stdout": 1}, [1]]', b"x"),
        HEAD.pack(5, 1 << 30, 0),
        HEAD.pack(5, 0, 1 << 31),
    ],
)
def test_what_is_not_a_frame_is_said_to_be_broken(stream: bytes) -> None:
    with pytest.raises(BrokenFrame):
        list(Reader().feed(stream))


def test_the_configuration_of_a_box_crosses_a_command_line() -> None:
    config = BoxConfig(uid_base=5, confinement=Confinement.NAMESPACES, tester=True)
    python, *module, argument = config.command("python3")
    assert (python, module) == ("python3", ["-m", "sandboxes.harness"])
    assert BoxConfig.from_argument(argument) == config


@pytest.mark.parametrize("tests", [None, TestOrders(mode=Mode.PYTEST, files={"a": "b"}, folder="/x")])
def test_orders_cross_a_channel(tests: TestOrders | None) -> None:
    orders = Orders(
        role=Role.TEST,
        folder="/box",
        writable=("/tmp",),
        argv=("a",),
        env={"A": "1"},
        uid=7,
        confinement=Confinement.UIDS,
        seccomp=True,
        no_new_privileges=False,
        rlimits=((0, 1),),
        source_file="s",
        module="m",
        entry_point=None,
        tests=tests,
    )
    assert Orders.from_bytes(orders.to_bytes()) == orders
    assert Orders.from_bytes(replace(orders, role=Role.CALLS).to_bytes()).role is Role.CALLS


@pytest.mark.parametrize(
    "report",
    [
        Collected(ids=("a", "\ud800")),
        TesterTest(id="a", outcome=TestOutcome.ERROR, message="m", time_s=0.5),
        Unusable(why="w"),
        Finished(),
        Finished(lost="l"),
    ],
)
def test_the_reports_of_a_tester_cross(report: Report) -> None:
    assert from_payload(to_payload(report)) == report


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b"{}", b"1", b'{"Other": {}}', b'{"Finished": {}, "Collected": {}}', b'{"Finished": []}',
     b'{"Finished": {"lost": 1}}', b'{"TesterTest": {"id": "a", "outcome": "well"}}', b"[" * 100_000],
)  # fmt: skip
def test_what_is_not_a_report_is_said_to_be_broken(payload: bytes) -> None:
    with pytest.raises(BrokenRecord):
        from_payload(payload)


# The channel of a process


def test_answers_are_cut_wherever_the_chunks_end() -> None:
    stream = b"".join(ANSWER.pack(kind, len(text)) + text for kind, text in ((1, b""), (2, b"abc"), (3, b"d")))
    answers, found = Answers(100), []
    for at in range(len(stream)):
        answers.feed(stream[at : at + 1])
        while (answer := answers.take()) is not None:
            found.append(answer)
    assert found == [(Answer.READY, b""), (Answer.RETURNED, b"abc"), (Answer.RAISED, b"d")]
    assert not answers.too_long
    assert len(answers) == 0


@pytest.mark.parametrize("chunk", [ANSWER.pack(2, 101), ANSWER.pack(2, 1) + bytes(101)])
def test_an_answer_that_is_too_long_is_known_before_it_is_held(chunk: bytes) -> None:
    answers = Answers(100)
    answers.feed(chunk)
    assert answers.too_long


def test_a_message_is_read_piece_by_piece_and_its_end_is_noticed() -> None:
    stream = [b"\0", b"\0\0\3a", b"b", b"c"]
    pieces = iter(stream)
    rest = bytearray()

    def read(at_most: int) -> bytes:
        if not rest:
            rest.extend(next(pieces, b""))
        taken = bytes(rest[:at_most])
        del rest[:at_most]
        return taken

    assert read_message(read) == b"abc"
    with pytest.raises(EOFError):
        read_message(read)


def test_heads_are_plain_json() -> None:
    for message in MESSAGES:
        head, _ = pack(message)
        assert json.loads(json.dumps(head)) == head
