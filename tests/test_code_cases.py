"""Each file under `tests/cases/code/` gets the verdict of its folder, in a real box, along with all the others."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.code_cases import PATHS, case_id, judge_all, languages_of, load_case, open_service, submission
from verifier_service.schema import CodeResult, Verdict


@pytest.fixture(scope="session")
async def results() -> AsyncIterator[dict[Path, CodeResult]]:
    """All cases, judged as one batch: bombs and honest programs are neighbors."""
    async with open_service() as service:
        there = service.languages.versions.keys()
        paths = [path for path in PATHS if languages_of(load_case(path)) <= there]
        cases = [load_case(path) for path in paths]
        batch = [
            submission(
                case["program"],
                case["tests"],
                limits=case.get("limits", {}),
                language=case.get("language", "python"),
            )
            for case in cases
        ]
        yield dict(zip(paths, await judge_all(service, batch), strict=True))


@pytest.mark.parametrize("path", PATHS, ids=case_id)
async def test_a_case_gets_the_verdict_of_its_folder(results: dict[Path, CodeResult], path: Path) -> None:
    case = load_case(path)
    if path not in results:
        pytest.skip(f"there are no images for all of {', '.join(sorted(languages_of(case)))}")
    result = results[path]
    assert result.verdict == case["verdict"], result.message
    assert result.score == pytest.approx(case["score"], abs=1e-3)


def test_no_case_expects_our_failure() -> None:
    assert not [path for path in PATHS if path.parent.name not in set(Verdict) - {Verdict.JUDGE_ERROR}]
