"""The import graph of the whole project has no circle, counting imports inside functions and those for types only."""

import grimp
import pytest

PACKAGES = ("sandboxes", "verifier_service", "trainer")


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """Return the imports between our own modules."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of modules in which each one leads to every other one."""

    def reached_from(start: str) -> set[str]:
        found: set[str] = set()
        ahead = [start]
        while ahead:
            for module in imports[ahead.pop()] - found:
                found.add(module)
                ahead.append(module)
        return found

    reached = {module: reached_from(module) for module in imports}
    found = [{other for other in reached[module] if module in reached[other]} for module in imports]
    return [set(circle) for circle in {frozenset(circle) for circle in found if circle}]


def test_no_modules_import_each_other_in_a_circle(imports: dict[str, set[str]]) -> None:
    assert len(imports) > 100
    assert sorted(map(sorted, circles(imports))) == []


def test_a_circle_would_be_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [{"b", "c"}]
