r"""Recognize retracted answers: `\boxed{5}. Wait, that's wrong.`

Right after an answer, "that is wrong" is enough. A later sentence must clearly be about the author's own answer: after
"Wait", "Actually" and the like, or by "my answer is wrong", "I made a mistake". "Wait, let me check" retracts nothing,
and neither does a sentence that calls something else wrong.
"""

import re

from verifier_service.extract.math.denial import CLOSING, FAILS
from verifier_service.extract.math.found import MAX_EXTRACTED_CHARS
from verifier_service.extract.math.wording import any_of

_WORD = r"\w{1,20}\s{1,2}"
_BE = any_of(
    "is | was | are | were | would be | should be | is hereby"
    "| seems(?: to be)? | looks | must be | turns out to be | turned out to be"
    "| has to be"
    "| (?:can|could)(?:not| not|'t|n't) be"
)
_SURELY = any_of(
    "clearly | definitely | obviously | actually | also | just | plainly | simply | completely | totally"
    "| of course | all"
)
_VERY = rf"(?:\s{{1,3}}{_SURELY})?"
_REAL = any_of("correct | right | final | actual | valid | true | real")
_WRONG = (
    r"(?:(?:the\s|an?\s|my\s)?(?:wrong|incorrect|mistaken|erroneous)\b"
    rf"|(?:an?\s|my\s)(?:{_WORD})?(?:mistake|error|typo|guess|placeholder|dummy|joke|bluff)\b|(?:false|off|discarded|retracted|withdrawn|ignored|disregarded|outdated|void)\b|(?<=be\s)(?:right|correct|true)"
    rf"|(?:only|just|merely)\san?\s(?:{_WORD})?(?:bound|estimate|guess|placeholder|dummy|example)\b"
    rf"|not\s{{1,3}}(?!only|just|merely)(?:{_WORD})?"
    rf"(?:right|correct|true|(?:the|an?|my)\s(?:{_REAL}\s)?(?:answer|solution|result)|valid|it\b|what\swe))"
)
_IS_WRONG = rf"(?:(?:\s{{1,3}}{_BE}|['’]s){_VERY}\s{{1,3}}{_WRONG}|\s{{1,3}}{FAILS})"

_INTERJECTION = any_of(
    "wait | hmm+ | hm+ | no | nope | actually | oops | sorry | hold on | oh | ah | ugh | but | however | well"
    "| correction"
    "| on second thought | edit | update | erratum | note | unfortunately | sadly"
    "| (?:on|upon) (?:reflection|checking) | looking back | after checking"
)

_NOUN = any_of(
    "answer | result | calculation | work | reasoning | solution | guess | conclusion | arithmetic | value | box"
)
_FORMER = any_of("previous | former | earlier | old | first | initial | original | prior")
_BEFORE_NOW = r"before\b | earlier\b | at first | initially | originally | previously | until"

_I_MEAN = (  # sorry, 8
    r"(?:sorry|oops|whoops|I\smeant?|make\sthat|correction)[\s,:.!…—–-]{1,5}(?:I\smeant?\s|make\sthat\s)?"
    r"(?:it(?:['’]s|\sis)\s|the\sanswer\sis\s)?(?=[$\\(*]{0,3}[-−]?\d|\(?[B-J]\b)"
)
_BESIDE = re.compile(
    CLOSING + rf"(?:[—–-]{{1,2}}\s)?{_I_MEAN}|" + CLOSING + rf"(?:(?:[—–-]{{1,2}}|←|<-+)\s?"
    rf"|\(\s?)?(?:{any_of('at first | initially | originally | before | earlier | once')}\s?,?\s?)?"
    + r"(?:(?:but|and|although|though|however|yet|which|even\sthough)\b,?\s{1,3}){0,2}"
    + rf"(?:{any_of('I think | I believe | I know | now I see | clearly')}\s)?"
    + rf"(?:I\s(?:disagree|doubt|don['’]t\s(?:think|believe|agree))|(?:{_INTERJECTION}[\s,.…!]{{1,5}}){{0,3}}"
    + r"\b(?:no|nope)(?:\swait)?(?=\s{0,2}(?:[.!;…]|$|,\s{0,2}(?:\d|(?:it|that|this|wait|the\sanswer|I)\b)))"
    + rf"|(?:that|this|it|which){_IS_WRONG}|(?:was|is)\s{_WRONG}"
    + rf"|used\sto\sbe\smy\s(?:{_WORD}){{0,2}}{_NOUN}\b|was\smy\s(?:{_WORD})?{_NOUN}\s{any_of(_BEFORE_NOW)}"
    + rf"|(?:was|had\sbeen)\smy\s{_FORMER}\s(?:{_WORD})?{_NOUN}\b"
    + rf"|{any_of('wrong | incorrect | not correct | not right | rejected | crossed out')}\s?[).,!])",
    re.IGNORECASE,
)
"""`5, but that is wrong`, `5. That is not right`, `5 (wrong)`; not `5. A common guess is 6, but that is wrong`."""

_NO = re.compile(
    r"[\s$.)\\\]}*]{0,8}(?:no|nope|wrong|incorrect)\s?(?:[.!—–]|,\s{0,2}(?:it|that|this|wait|the\sanswer|I)\b)",
    re.IGNORECASE,
)
"""`5. No, it is 6`; not `5. No other value works`."""

_MY_ANSWER = (
    rf"(?:my\s(?:{_WORD}){{0,2}}{_NOUN}(?:\sabove)?"
    rf"|(?:the|this|that)\s(?:above|previous|earlier|boxed|first|initial|last)(?:\s{_NOUN})?"
    r"|(?:the|this|that)\s(?:answer|result|solution|calculation|conclusion)(?:\sabove|\sI\sgave)?"
    rf"|(?:the|this|that|my)\s(?:{_NOUN}\s(?:in|inside)\s(?:the|that|my)\s)?box(?:ed\s{_NOUN})?(?:\sabove)?)"
)
_WAIT = rf"(?:{_INTERJECTION}\b[\s,.!…:—–-]{{0,6}})"
_ERRED = (
    rf"I(?:['’]ve|\shave)?\s(?:{_WORD})?(?:made\s(?:a|an|some)\s(?:{_WORD})?(?:mistake|error|slip)|"
    + any_of(
        "was wrong | messed up | miscalculated | misread | miscounted | forgot(?! to (?:mention|say|add|note"
        "|state|write)) | got (?:it|that|this) wrong"
    )
    + ")"
)
_REDO = r"(?:let\sme|I\s(?:should|need\sto|must|have\sto))\s" + any_of(
    "redo | recompute | recalculate | reconsider | start over | try again | fix | correct"
)
_NEW_VALUE = (  # it should be 6, the answer is actually $6$
    rf"(?:I\sthink\s|actually,?\s)?(?:it|that|this|the\s(?:{_WORD})?(?:answer|result|value|total)|x)"
    rf"(?:['’]s|\s(?:is|should\s(?:{_WORD})?be|must\sbe|has\sto\sbe|equals))(?:\s(?:actually|really|in\sfact|instead))?"
    r"\s{1,2}(?=[-−+$\\(*]{0,4}\d|\\boxed|\$?\\\(?\\(?:frac|sqrt|pi))"
)
_NEW_ANSWER = (  # my new answer is 7
    rf"my\s{any_of('new | corrected | revised | updated | current | present')}\s(?:final\s)?{_NOUN}\sis"
    r"\s?:?\s{0,2}(?=[-−+$\\(*]{0,4}(?:\d|boxed|frac|sqrt|pi|\(?[A-J]\b))"
)
_FORGET_IT = (
    any_of(
        r"I (?:now )?take (?:that|it|this) back | I (?:now )?retract | I withdraw | I made (?:this|that|it) up"
        r"| just kidding"
        r"| jk\b"
    )
    + r"|I\s(?:was|am)\s(?:clearly\s)?wrong\b(?!\s(?:to|about|when|earlier|before|at\sfirst|initially))"
    + r"|(?:actually|hmm|wait),?\s(?:but\s)?I(?:\sam|['’]m)\snot\s(?:so\s|really\s)?(?:sure|certain)"
    + r"|(?:please\s)?(?:scratch|ignore|disregard|forget)\s(?:that|this|it|my|what\sI"
    + r"|the\s(?:above|previous|answer|[^.!?;,\n]{0,40}\bbox(?:ed)?\b|[^.!?;,\n]{0,40}\babove\b))"
    + r"|(?:I\s(?:now\s)?(?:realize|realise|see|notice)d?\s(?:now\s)?(?:that\s)?there|there)\s(?:is|was)\san?\s"
    + r"(?:\w{1,20}\s)?(?:mistake|error)\sin\s(?:my|the)\s(?:calculation|work|reasoning|answer|solution|above)"
    + r"|I\s(?:now\s)?(?:realize|realise|see|notice)d?\s(?:now\s)?(?:that\s)?I\s(?:have\s)?made\san?\s"
    + r"(?:\w{1,20}\s)?(?:mistake|error)"
    + r"|(?:but\s)?I\s(?:(?:do|did|ca|could)n['’]t|(?:do|did|can|could)\s?not|have\sno|ran\sout\sof)\s"
    + r"(?:have\s)?(?:(?:the\s|enough\s)?time\s(?:left\s)?)?(?:to\s)?(?:find|locate|see|spot|fix|correct|redo)\s"
    + r"(?:(?:the|my)\s(?:mistake|error|bug|slip)|it)(?=\s?(?:[.!;,\n]|now\b|$))"
    + r"|(?:please\s)?(?:do\snot|don['’]t)\suse\s(?:this|that|the\sboxed|my)\s(?:value|answer|result)"
    + r"|(?:the|my)\s(?:box|boxed\s(?:answer|value)|answer\sabove)\sshould\s(?:read|say|be|have\sbeen|contain)\b"
    + r"|I\s(?:no\slonger|do\snot|don['’]t)\s(?:believe|think|stand\sby)\s(?:that\s)?"
    + r"(?:this|that|it|the\sbox|my\sanswer)\b"
    + r"(?=[^.!?\n]{0,40}\b(?:right|correct|true|answer|anymore|any\smore|above)\b)"
    + r"|(?:correction|no,?\swait|wait,?\sno)\s?[:,]\s{0,3}(?=[$\\(*]{0,3}[-−]?\d)"
    + rf"|I\s(?:have\s)?made\s(?:a|an)\s(?:{_WORD})?(?:mistake|error)\b(?!\s(?:at\sfirst|initially|earlier|before))"
    + r"|I\s(?:could|can|was|am)\s?(?:not|n['’]t)\s(?:able\sto\s)?(?:solve|answer|finish|complete)\s(?:this|the|it)\b"
    + r"|(?:in\sfact|actually),?\s(?:I\s)?(?:don['’]t|do\snot)\sknow"
)
_HAS_NONE = (  # Actually, the problem has no solution.
    r"(?:the\s(?:problem|equation|system|question)|this|there|it)\s(?:(?:actually|really)\s)?(?:has|is|are)\s(?:actually\s)?"
    r"no\s(?:(?:real|valid|such|integer)\s)?(?:solutions?|answers?)(?=\s?(?:[.!;\n]|$))"
)
_ANEW = (  # Let me reconsider. The count is 8.
    r"let\sme\s(?:reconsider|recount|redo\sthis|redo\sit|start\sover|try\sagain)\b"
    r"(?![^\n]{0,400}(?:✓|✅|correct|confirm|match|same|indeed|verified|right|holds))"
)
_LATER = re.compile(
    r"(?<=[.!?:;\n)*\]$}—>])[\s*_>(\"'$—–-]{0,6}(?:"
    + rf"{_WAIT}{{1,5}}(?:(?:I\sthink\s|I\ssee\s|now\s)?(?:that|this|it|{_MY_ANSWER}){_IS_WRONG}|{_ERRED}"
    rf"|{_REDO}|{_NEW_VALUE}|(?:wrong|incorrect)(?:[.!,;]|\s(?:box|answer|number|value|one)\b)|{_HAS_NONE}"
    + rf"|(?<=no[.!])(?=\s|$))|{_MY_ANSWER}{_IS_WRONG}|{_NEW_ANSWER}|{_FORGET_IT}|{_I_MEAN}|{_ANEW})",
    re.IGNORECASE,
)
"""`Wait, that's wrong.`, `Actually no, it should be 6`, `I made a mistake.`; not `Wait, let me check: it is right.`"""

_FORMERLY = any_of("first | initially | originally | once | previously | at first")
_SAID = any_of("had | got | wrote | said | thought | put | guessed | answered | gave | boxed")
_MY_FORMER = re.compile(
    rf"\b(?:my\s(?:very\s)?{_FORMER}\s(?:\w{{1,20}}\s)?{_NOUN}\s(?:was|had\sbeen)|I\s{_FORMERLY}\s{_SAID}(?:\s(?:that\s)?it\swas)?"
    rf"|(?P<had>I\s(?:had\s)?{_SAID}))[\s:]{{1,3}}(?=[^\s])",
    re.IGNORECASE,
)
"""`My previous answer was `, `I first guessed `; `I had ` only if `at first` follows the answer."""
_AT_FIRST = re.compile(rf"{CLOSING}{any_of('at first | initially | originally | before | earlier | previously')}\b")
# What can stand between such words and the answer: signs that open a formula, and a box.
_BOX_OPENS = re.compile(r"[$(\\\[*\s]{0,6}(?:f?boxed?\s?\{)?\s{0,3}")


_CALLED = re.compile(
    rf"{CLOSING}(?:{_IS_WRONG}|(?:isn['’]t|is\snot|can(?:not|['’]t)\sbe|wasn['’]t|was\snot)\s(?:the\s)?{_REAL}\b)",
    re.IGNORECASE,
)
"""What a later sentence says about the answer: ` is not correct`, ` can't be right`."""
# Before the repeated value: the sentence is hypothetical or about someone else, or the value is part of a formula.
_NOT_HERE = re.compile(
    r"\b(?:if|suppose|would|claim|say|says|said|thinks?|why|whether|other|another|unless|not\sthe\scase)\b[^.!?\n]*$"
    r"|(?:[-−+*/^_\d=<>]|\\[a-z]+|\d[.,])\s?[${(]?$",
    re.IGNORECASE,
)
# A task that asks for something wrong: `the extraneous root is 5`.
_WANTED_WRONG = re.compile(
    r"\b(?:incorrect|wrong|false|not\s\w{1,10}|extraneous|invalid|fails?|n['’]t)\b", re.IGNORECASE
)
_MAX_CALLED = 60  # a longer answer is not repeated word for word


def _called_wrong(text: str, end: int, answer: str) -> int | None:
    """Return where a later sentence calls this very answer wrong: `So 156 is not correct.`

    Not if the task asked for something wrong: `The extraneous root is 5. Indeed 5 does not work.`
    """
    value = answer.strip(_NOTHING + "$").rsplit("=", 1)[-1].strip()
    if not value or len(value) > _MAX_CALLED or not re.search(r"\d|\\", value):
        return None
    if _WANTED_WRONG.search(text[max(0, end - len(answer) - 160) : end]):
        return None
    at = text.find(value, end)
    for _ in range(_MAX_CALLED):
        if at < 0:
            return None
        before = re.split(r"[.!?]\s|\n", text[max(0, at - 160) : at])[-1]
        is_part = text[at + len(value) : at + len(value) + 1].isalnum() or _NOT_HERE.search(before)
        if not is_part and _CALLED.match(text, at + len(value)):
            return at
        at = text.find(value, at + len(value))
    return None


def _is_former(text: str, end: int, answer: str) -> bool:
    """Return whether the answer that ended at a place is called a former one: `My first guess was 5`."""
    window = text[max(0, end - len(answer) - 120) : end]
    for match in _MY_FORMER.finditer(window):
        opened = _BOX_OPENS.match(window, match.end())
        at = opened.end() if opened else match.end()
        if window.startswith(answer, at) and len(window) - at - len(answer) <= 3:
            return match["had"] is None or bool(_AT_FIRST.match(text, end))
    return False


_NEGATIVE_ANSWERS = frozenset(["no", "false", "wrong", "incorrect", "never"])
_AHEAD = 2_000  # a quick test: nothing but signs that close a formula means nothing was retracted
_NOTHING = " \n$.*)]}\\"
_DRESS = re.compile(r"\\[A-Za-z]+|[{}$.*\s]")  # removed before the comparison: `\text{No}` becomes `No`


def taken_back(text: str, end: int, answer: str) -> int | None:
    """Return where the words that retract the answer ending at `end` begin, or None if it stands."""
    if _is_former(text, end, answer):
        return end
    if not text[end : end + _AHEAD].strip(_NOTHING):
        return None
    # After an answer "no", the word "No." repeats it and retracts nothing.
    if _DRESS.sub("", answer[:40]).lower() not in _NEGATIVE_ANSWERS and (
        _BESIDE.match(text, end) or _NO.match(text, end)
    ):
        return end
    later = _LATER.search(text, max(0, end - 1), end + MAX_EXTRACTED_CHARS)
    return later.start() if later else _called_wrong(text, end, answer)
