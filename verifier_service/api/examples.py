"""Complete example bodies by type. `/docs` fills them in under "Try it out", and a test sends each of them."""

from collections.abc import Mapping

HALF: dict[str, object] = {
    "kind": "math",
    "id": "a",
    "completion": "... so \\boxed{\\frac{1}{2}}",
    "reference": "0.5",
}
ADD = "def add(a, b):\n    return a + b"
CALLS: dict[str, object] = {
    "kind": "call",
    "entry_point": "add",
    "cases": [{"args": [1, 2], "expected": 3}, {"args": [-1, 1], "expected": 0}],
}
ECHO: dict[str, object] = {
    "kind": "code",
    "id": "c",
    "completion": "```python\nprint(int(input()) * 2)\n```",
    "tests": {"kind": "stdio", "cases": [{"stdin": "21\n", "stdout": "42\n"}]},
}

EXAMPLES: Mapping[str, Mapping[str, object]] = {
    "VerifyRequest": {
        "a math answer": {"submissions": [HALF]},
        "a function and calls of it": {
            "submissions": [
                {
                    "kind": "code",
                    "id": "b",
                    "language": "python",
                    "completion": f"```python\n{ADD}\n```",
                    "tests": CALLS,
                    "limits": {"time_limit_s": 2, "memory_limit_mb": 256},
                }
            ]
        },
        "a program and its output": {"submissions": [ECHO], "deadline_s": 60},
        "asserts": {
            "submissions": [
                {
                    "kind": "code",
                    "completion": ADD,
                    "tests": {"kind": "assert", "code": "assert add(1, 2) == 3\nassert add('a', 'b') == 'ab'"},
                }
            ]
        },
        "pytest": {
            "submissions": [
                {
                    "kind": "code",
                    "completion": ADD,
                    "tests": {
                        "kind": "pytest",
                        "files": {
                            "test_add.py": "from solution import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"
                        },
                    },
                }
            ]
        },
        "a group that shares its tests": {
            "submissions": [
                {"kind": "code", "id": "g1", "completion": ADD, "tests": "add"},
                {"kind": "code", "id": "g2", "completion": f"{ADD} + 0", "tests": "add"},
            ],
            "suites": {"add": CALLS},
        },
    },
    "SubmitRequest": {"a math answer": {"submissions": [HALF]}},
    "RunRequest": {
        "a program": {"runs": [{"id": "a", "language": "python", "source": "print(input()[::-1])", "stdin": "abc\n"}]}
    },
    "Tests": {"calls": CALLS},
    "NeMoGymSeed": {"a session": {}},
    "NeMoGymVerify": {
        "math": {
            "responses_create_params": {"input": [{"role": "user", "content": "What is 1/4 + 1/4?"}]},
            "response": {
                "output": [{"type": "message", "content": [{"type": "output_text", "text": "It is \\boxed{0.5}."}]}]
            },
            "expected_answer": "\\frac{1}{2}",
        }
    },
    "SandboxFusionRun": {"a program": {"code": "print(input()[::-1])", "language": "python", "stdin": "abc\n"}},
    "SandboxFusionSubmission": {
        "a row": {
            "dataset": "any",
            "id": 1,
            "completion": "```python\nprint(int(input()) * 2)\n```",
            "config": {
                "dataset_type": "CommonOJDataset",
                "language": "python",
                "provided_data": {"test": [{"input": {"stdin": "21\n"}, "output": {"stdout": "42\n"}}]},
                "extra": {"run_all_cases": True},
            },
        }
    },
    "OpenRLHFSamples": {
        "one sample": {
            "query": ["What is 1/4 + 1/4? It is \\boxed{0.5}."],
            "prompts": ["What is 1/4 + 1/4?"],
            "labels": ["\\frac{1}{2}"],
        }
    },
    "SlimeSample": {
        "math": {"prompt": "What is 1/4 + 1/4?", "response": "It is \\boxed{0.5}.", "label": "\\frac{1}{2}"}
    },
    "OpenInstructProgram": {"asserts": {"program": ADD, "tests": ["assert add(1, 2) == 3", "assert add(-1, 1) == 0"]}},
    "OpenInstructProgram of cases": {
        "cases": {"program": "print(input()[::-1])", "tests": [{"input": "abc\n", "output": "cba\n"}]}
    },
    "PistonJob": {
        "a program": {
            "language": "python",
            "version": "*",
            "files": [{"content": "print(input()[::-1])"}],
            "stdin": "abc\n",
        }
    },
    "OpenR1Scripts": {
        "a script": {"scripts": ["sum(range(10))"], "languages": ["python"], "timeout": 5, "request_timeout": 30}
    },
    "CodeJudgeBatch": {
        "a program": {
            "type": "batch",
            "submissions": [
                {"type": "python", "solution": "print(input()[::-1])", "input": "abc\n", "expected_output": "cba\n"}
            ],
        }
    },
    "NeMoSkillsProgram": {"a program": {"generated_code": "print(6 * 7)", "timeout": 5, "language": "python"}},
}
"""`StoredBatchGet` has no example: it needs ids that a running service gave out."""
