"""The page as a person uses it: a browser, a real service, and hostile contents in both."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.page.conftest import Visit
from verifier_service.api import problems
from verifier_service.schema.explanations import MAX_SHOWN_CHARS

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route  # pyright: ignore[reportMissingImports]

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright").expect
expect.set_options(timeout=30_000)

HOSTILE = '</script><img src=x onerror="window.pwned=1">\'"&{{7*7}}\u202egnp.exe\u200b'


NAMELESS = """all => all
    .filter((one) => !(one.labels?.length || one.getAttribute("aria-label") || one.textContent.trim()))
    .map((one) => one.outerHTML.slice(0, 200))"""
OUTLINE = "getComputedStyle(document.activeElement).outlineStyle + ' ' + document.activeElement.tagName"


def math(completion: str, reference: str) -> dict[str, object]:
    return {"kind": "math", "completion": completion, "references": [reference]}


def code(program: str, tests: Mapping[str, object], **more: object) -> dict[str, object]:
    return {"kind": "code", "completion": f"```python\n{program}\n```", "tests": tests, **more}


def as_json(tests: object) -> dict[str, object]:
    return {"as": "json", "json": json.dumps(tests)}


def test_a_right_answer_is_found_typeset_and_proved_without_a_mouse(visit: Visit) -> None:
    tab = visit.tab
    tab.get_by_label("Completion").focus()
    tab.keyboard.type("Half of it:\n\\boxed{\\frac{2}{4}}")
    tab.keyboard.press("Tab")
    tab.keyboard.type("0.5")
    assert visit.judge() == "accepted"
    expect(tab.locator(".score strong")).to_have_text("1")
    expect(tab.locator(".by")).to_contain_text("boxed")
    expect(tab.locator(".context mark")).to_have_text("\\frac{2}{4}")
    assert tab.locator(".side .katex-html").count() == 2
    assert tab.evaluate("document.fonts.ready.then(() => document.fonts.check('16px KaTeX_Main'))")
    expect(tab.locator(".why")).to_contain_text("equal in value")
    assert visit.complaints == []
    assert {url.partition("//")[2].partition("/")[0] for url in visit.asked} == {visit.url.removeprefix("http://")}


def test_a_wrong_answer_comes_with_the_point_that_refutes_it(visit: Visit) -> None:
    assert visit.example("Refuted").judge() == "wrong_answer"
    expect(visit.tab.locator(".point tbody")).to_have_text("Answer5Reference9")
    expect(visit.tab.locator(".relation")).to_have_attribute("aria-label", "does not equal")


def test_a_failed_test_is_shown_as_a_diff_with_its_input_and_stderr(visit: Visit) -> None:
    assert visit.example("Standard input").judge() == "wrong_answer"
    tab = visit.tab
    assert tab.locator(".diff .line").evaluate_all("all => all.map((one) => one.innerText.replace('\\n', ' '))") == [
        "  *", "+ **", "  ***", "  ****", "− *****",
    ]  # fmt: skip
    expect(tab.get_by_role("region", name="Standard error")).to_have_text("row 1\nrow 2\nrow 3\nrow 4\n")
    expect(tab.locator(".test meter").first).to_have_attribute("aria-label", re.compile("^CPU: .* of 5.00 s$"))


def test_each_example_shows_what_it_is_there_for(visit: Visit) -> None:
    for example, verdict, said in (
        ("An identity", "accepted", "equal for all values"),
        ("Calls that fail", "wrong_answer", "Tests: 2 of 3 passed"),
        ("Asserts", "accepted", "Tests: 3 of 3 passed"),
        ("pytest", "wrong_answer", "two-spaces"),
    ):
        assert (example, visit.example(example).judge()) == (example, verdict)
        assert said in visit.result()
    assert visit.complaints == []


def test_texts_of_strangers_stay_texts_wherever_they_stand(visit: Visit) -> None:
    program = f"import sys\nprint({HOSTILE!r})\nprint({HOSTILE!r}, file=sys.stderr)\ninput()"
    tests = {"kind": "stdio", "stdio": [{"stdin": HOSTILE, "stdout": HOSTILE[:-1]}]}
    asserts = {"kind": "assert", "code": f"assert f() == {HOSTILE!r}"}
    for form in (
        math(f"{HOSTILE} \\boxed{{{HOSTILE}}}", HOSTILE),
        math(
            "\\boxed{\\href{javascript:pwned=1}{x}\\url{http://x.example}}", "\\includegraphics{http://x.example/a.png}"
        ),
        code(program, tests),
        code(f"def f(): return {HOSTILE + '1'!r}", asserts),
        code(
            f"def f(): raise ValueError({HOSTILE!r})",
            {"kind": "call", "entry_point": "f", "calls": [{"args": "", "expected": '"x"'}]},
        ),
        {**code("x = 1", tests), "language": HOSTILE},
    ):
        visit.fills(form).judge()
        for summary in visit.tab.locator("#result summary").all():
            if not summary.evaluate("one => one.parentElement.open"):
                summary.click()
        assert visit.tab.evaluate("window.pwned") is None
        assert visit.tab.locator("#result :is(img, script, a, iframe)").count() == 0
    assert [one for one in visit.complaints if "Security" in one or "Trusted" in one] == []
    assert "x.example" not in "".join(visit.asked)


def test_a_formula_leads_nowhere_and_loads_nothing(visit: Visit) -> None:
    for latex in (
        "\\href{javascript:window.pwned=1}{x}",
        "\\url{http://x.example}",
        "\\includegraphics{http://x.example/a.png}",
        "\\htmlData{a=b}{x}",
        "\\def\\a{\\a\\a}\\a",
    ):
        made = visit.tab.evaluate(
            """async (latex) => {
                const { formula } = await import(new URL("static/page/latex.js", document.baseURI));
                const made = formula(latex);
                document.body.append(made);
                return made.querySelectorAll("a, img, [data-a], [onclick]").length;
            }""",
            latex,
        )
        assert made == 0, latex
    assert "x.example" not in "".join(visit.asked)


def test_characters_that_hide_or_turn_text_around_are_seen(visit: Visit) -> None:
    given = {"stdin": "2\u202e1\u200b", "stdout": "ab"}
    visit.fills(code("print('a\u202eb')", {"kind": "stdio", "stdio": [given]})).judge()
    expect(visit.tab.locator(".diff .hidden-char")).to_have_text("U+202E")
    seen = visit.tab.locator("#result .hidden-char").all_inner_texts()
    assert set(seen) == {"U+202E", "U+200B"}


def test_numbers_of_tests_in_json_are_shown_as_they_were_sent(visit: Visit) -> None:
    case = '{"args": [12345678901234567890, NaN], "kwargs": {"k": 1e3}, "expected": 12345678901234567890}'
    tests = {"kind": "call", "as": "json", "json": f'{{"kind": "call", "entry_point": "f", "cases": [{case}]}}'}
    assert visit.fills(code("def f(x, y, k): return 0", tests)).judge() == "wrong_answer"
    expect(visit.tab.locator("#result")).to_contain_text("12345678901234567890, NaN")
    expect(visit.tab.locator("#result")).to_contain_text("1e3")


def test_ten_megabytes_of_output_do_not_stop_the_page(visit: Visit) -> None:
    form = code(
        "for _ in range(10 * 1024): print('<' * 1023)",
        {"kind": "stdio", "stdio": [{"stdin": "", "stdout": "<" * 300_000}]},
        limits={"output_limit_kb": "16384"},
    )
    assert visit.fills(form).judge() == "wrong_answer"
    assert "returns only the first" in visit.result()
    assert len(visit.tab.locator(".diff").inner_text()) < 8 * MAX_SHOWN_CHARS


def test_a_thousand_tests_come_a_hundred_at_a_time_and_can_be_filtered(visit: Visit) -> None:
    cases = [{"args": [number], "expected": number % 100} for number in range(1000)]
    tests = as_json({"kind": "call", "entry_point": "f", "cases": cases})
    assert visit.fills(code("def f(x): return x % 100 if x != 500 else -1", tests)).judge() == "wrong_answer"
    tab = visit.tab
    assert tab.locator(".test").count() == 100
    tab.get_by_role("button", name="Show more: 100 of 1000").click()
    assert tab.locator(".test").count() == 200
    tab.get_by_role("button", name="Failed 1").click()
    assert tab.locator(".test .test-name").all_inner_texts() == ["Test 501"]


def test_values_are_sent_letter_for_letter(visit: Visit) -> None:
    """An integer of twenty digits loses its last ones as a number of JavaScript, and a browser refuses NaN as JSON."""
    calls = [{"args": f"[{value}]", "expected": value} for value in ("12345678901234567891", "NaN", "[1, -Infinity]")]
    tests = {"kind": "call", "entry_point": "f", "checker": "float", "calls": calls}
    assert visit.fills(code("def f(x): return x", tests)).judge() == "accepted"
    visit.tab.locator(".test summary").first.click()
    expect(visit.tab.get_by_role("region", name="Actual").first).to_have_text("12345678901234567891")


def test_a_request_that_cannot_be_judged_has_no_score(visit: Visit) -> None:
    form = code("x = 1", {"kind": "stdio", "stdio": [{"stdin": "", "stdout": "x"}]}, limits={"time_limit_s": "99"})
    assert visit.fills(form).judge() == "judge_error"
    expect(visit.tab.locator(".score strong")).to_have_text("none")
    assert "limits.time_limit_s 99" in visit.result()
    assert "The request cannot be judged as it is" in visit.result()


def test_what_has_to_be_mended_is_said_where_it_stands(visit: Visit) -> None:
    tab = visit.tab
    tab.keyboard.press("Control+Enter")
    expect(tab.get_by_role("status").first).to_have_text(re.compile("Enter a reference"))
    assert tab.evaluate("document.activeElement.id") == "reference-0"
    visit.example("Calls that fail")
    tab.locator("#call-1-expected").fill("[1, 2")
    tab.keyboard.press("Control+Enter")
    expect(tab.get_by_role("status").first).to_have_text(re.compile("The expected value: this is not valid JSON"))
    assert tab.locator("[aria-invalid]").get_attribute("id") == "call-1-expected"


def test_a_refusal_is_told_with_what_can_be_done(visit: Visit) -> None:
    def refuse(route: Route) -> None:
        document = problems.document(status, detail).model_dump_json()
        route.fulfill(status=status, body=document, content_type=problems.MEDIA_TYPE, headers={"Retry-After": "7"})

    visit.tab.route("**/v1/verify", refuse)
    visit.example("Fractions")
    for status, detail, said in (
        (413, "the body has 70000000 bytes; the maximum is 67108864 (VERIFIER_MAX_BODY_MB)", "VERIFIER_MAX_BODY_MB"),
        (422, "submissions 5000: at most 4096 in one request", "at most 4096"),
        (429, "the key 'a' may send 1 requests per minute", "Please wait 7 s"),
        (500, "ValueError; the log of the service has the details", "The service failed"),
        (503, "the service is shutting down", "The service is busy, starting, or shutting down."),
    ):
        assert visit.judge() == str(status)
        assert said in visit.result()
        assert detail in visit.result()
    visit.tab.unroute("**/v1/verify")
    visit.tab.get_by_role("button", name="Try again").click()
    expect(visit.tab.locator(".banner")).to_have_attribute("data-verdict", "accepted")


def test_a_service_that_goes_away_loses_nothing(visit: Visit) -> None:
    visit.example("Fractions")
    visit.tab.route("**/*", lambda route: route.abort("connectionrefused"))
    assert visit.judge() == "0"
    assert "The service does not answer" in visit.result()
    expect(visit.tab.locator("#live .dot")).to_have_class(re.compile("gone"))
    visit.tab.unroute("**/*")
    assert visit.judge() == "accepted"
    expect(visit.tab.locator("#live .dot")).to_have_class(re.compile("ready"))


def test_a_key_that_is_asked_for_is_kept_in_the_tab_and_sent(visit: Visit) -> None:
    sent: list[str | None] = []

    def ask(route: Route) -> None:
        sent.append(route.request.headers.get("authorization"))
        if sent[-1] is not None:
            route.continue_(headers={**route.request.headers})
            return
        document = problems.document(401, "send the header `Authorization: Bearer <key>`").model_dump_json()
        route.fulfill(status=401, body=document, content_type=problems.MEDIA_TYPE)

    tab = visit.tab
    tab.route("**/v1/verify", ask)
    assert visit.example("Fractions").judge() == "401"
    dialog = tab.get_by_role("dialog")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Key", exact=True).fill("gvk_é")
    tab.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert visit.judge() == "accepted"
    assert sent == [None, "Bearer gvk_é"]
    assert tab.evaluate("[sessionStorage.length, Object.values(localStorage).join()]") == [1, "auto"]


def test_a_link_holds_the_submission_and_sends_it_nowhere(visit: Visit) -> None:
    tab = visit.tab
    visit.example("Calls that fail")
    tab.locator("#call-0-expected").fill("[5, é]")
    tab.get_by_role("button", name="Share").click()
    expect(tab.get_by_label("Link to this submission")).to_have_value(re.compile("#s="))
    link = tab.get_by_label("Link to this submission").input_value()
    assert "never send to a server" in tab.locator("#share-says").inner_text()
    tab.goto("about:blank")
    tab.goto(link)
    expect(tab.locator("#call-0-expected")).to_have_value("[5, é]")
    expect(tab.locator("#result")).to_contain_text("press Judge")  # it never judges by itself
    assert not any("s=" in url.partition("#")[0] for url in visit.asked)
    tab.goto("about:blank")
    tab.goto(link[:-9])
    expect(tab.get_by_role("status").first).to_have_text(
        re.compile("The link cannot be read: it is incomplete or was changed")
    )


def test_a_link_of_something_else_does_no_harm(visit: Visit) -> None:
    """A link can contain values of any type. Those that do not fit are treated as in an empty form."""
    odd = {
        "kind": "evil",
        "completion": 7,
        "references": [],
        "extract": "all",
        "tests": 7,
        "limits": [1],
        "keep": True,
    }
    visit.tab.evaluate(
        """async (odd) => {
            const { packed } = await import(new URL("static/page/share.js", document.baseURI));
            location.hash = await packed(odd);
        }""",
        odd,
    )
    visit.tab.locator("#form[data-taken]").wait_for(state="attached")
    expect(visit.tab.get_by_label("Completion")).to_have_value("")
    expect(visit.tab.get_by_label("Reference")).to_have_value("")
    assert not visit.tab.get_by_label("Keep under Recent").is_checked()
    visit.tab.get_by_role("radio", name="Code").check(force=True)
    expect(visit.tab.get_by_label("Arguments")).to_have_value("")
    assert visit.complaints == []


def test_a_long_link_is_said_to_be_long(visit: Visit) -> None:
    tab = visit.tab
    tab.evaluate(
        "() => { const area = document.getElementById('completion');"
        " area.value = Array.from({length: 9000}, (_, n) => Math.sin(n)).join();"
        " area.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    tab.get_by_role("button", name="Share").click()
    expect(tab.locator("#share-says")).to_contain_text("This link is long")


def test_what_is_kept_is_found_again_and_filtered(visit: Visit) -> None:
    tab = visit.tab
    visit.example("Refuted")
    tab.get_by_label("Keep under Recent").check()
    assert visit.judge() == "wrong_answer"
    tab.get_by_role("link", name="Recent").first.click()
    tab.get_by_label("Label").fill("page")
    tab.keyboard.press("Enter")
    tab.get_by_label("Verdict").select_option("wrong_answer")
    row = tab.locator(".stored").first
    expect(row).to_contain_text("x^2+1 is not (x+1)^2")
    row.locator("> summary").click()
    expect(row.locator(".point tbody")).to_have_text("Answer5Reference9")
    tab.get_by_label("Verdict").select_option("compile_error")
    expect(tab.locator("#recent")).to_contain_text("Nothing matches these filters")


def test_an_answer_that_comes_late_adds_nothing_to_what_was_asked_for_since(visit: Visit) -> None:
    tab = visit.tab
    visit.example("Refuted")
    tab.get_by_label("Keep under Recent").check()
    assert visit.judge() == "wrong_answer"
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.continue_()
        else:
            held.append(route)

    tab.route("**/v1/submissions?*", hold_the_first)
    tab.get_by_role("link", name="Recent").first.click()
    tab.get_by_label("Label").fill("page")
    tab.keyboard.press("Enter")
    says = tab.locator("#recent").get_by_role("status")
    expect(says).to_contain_text("shown")
    before = says.inner_text()
    with tab.expect_response("**/v1/submissions?*"):
        held[0].continue_()
    tab.wait_for_timeout(300)
    assert says.inner_text() == before


def test_where_nothing_can_be_stored_it_is_said(visit: Visit) -> None:
    def refuse(route: Route) -> None:
        document = problems.document(503, "submissions cannot be stored here: the disk is read-only").model_dump_json()
        route.fulfill(status=503, body=document, content_type=problems.MEDIA_TYPE)

    visit.tab.route("**/v1/submissions?*", refuse)
    visit.tab.goto(f"{visit.url}/#recent")
    expect(visit.tab.locator("#recent")).to_contain_text("Nothing is stored here")
    expect(visit.tab.locator("#recent")).to_contain_text("the disk is read-only")


def _wide(tab: Page) -> int:
    return tab.evaluate("document.documentElement.scrollWidth - innerWidth")


def test_on_a_phone_nothing_is_wider_than_the_screen(visit: Visit) -> None:
    visit.tab.set_viewport_size({"width": 390, "height": 844})
    for example in ("Refuted", "Calls that fail", "Standard input", "pytest"):
        visit.example(example).judge()
        assert _wide(visit.tab) <= 0, example
    visit.fills(math(f"\\boxed{{{'x+' * 300}1}}", "y" * 300)).judge()
    assert _wide(visit.tab) <= 0
    visit.tab.goto(f"{visit.url}/#recent")
    expect(visit.tab.locator("#recent h1")).to_be_visible()
    assert _wide(visit.tab) <= 0


def test_light_and_dark_are_chosen_and_remembered(visit: Visit) -> None:
    tab = visit.tab
    back = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(back)
    button = tab.get_by_role("button", name=re.compile("^Theme"))
    button.click()
    assert tab.evaluate(back) == light
    button.click()
    dark = tab.evaluate(back)
    assert dark != light
    tab.reload()
    assert tab.evaluate(back) == dark
    tab.get_by_role("button", name="Theme: dark").click()  # back to the system's own setting


def test_all_that_can_be_used_has_a_name_and_shows_its_focus(visit: Visit) -> None:
    tab = visit.tab
    for example in ("Fractions", "Calls that fail", "Standard input", "Asserts", "pytest", "Too slow"):
        visit.example(example)
        nameless = tab.locator(":is(input, select, textarea, button):visible").evaluate_all(NAMELESS)
        assert nameless == [], example
    seen = []
    tab.locator("body").click(position={"x": 2, "y": 2})
    for _ in range(12):
        tab.keyboard.press("Tab")
        seen.append(tab.evaluate(OUTLINE))
    assert all(one.startswith(("solid", "auto")) or one.endswith("INPUT") for one in seen), seen


def test_the_page_works_behind_a_prefix(visit: Visit) -> None:
    """As behind a proxy that serves it at /a/b/ and removes this prefix."""

    def pass_on(route: Route) -> None:
        answer = route.fetch(url=route.request.url.replace("/a/b/", "/"))
        route.fulfill(response=answer)

    visit.tab.route("**/a/b/**", pass_on)
    visit.asked.clear()
    visit.tab.goto(f"{visit.url}/a/b/")
    assert visit.example("Fractions").judge() == "accepted"
    assert [url for url in visit.asked if "/a/b/" not in url and not url.endswith("icon.svg")] == []


def test_the_folder_has_small_files() -> None:
    folder = Path(problems.__file__).parent / "static" / "page"
    assert {
        one.name: size for one in folder.rglob("*.js") if (size := len(one.read_text("utf-8").splitlines())) > 300
    } == {}
