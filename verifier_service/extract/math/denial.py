r"""Recognize answers that their own sentence denies, asks about, or merely offers or supposes.

What governs an answer stands in its own clause: "the answer is not 5", "maybe 5", "I doubt that it is 5", "if the
answer is 5", "`\boxed{5}` is wrong", "is it 5?". "Neither 3 nor 4, so the answer is 5" denies only 3 and 4.
"""

import re

from verifier_service.extract.math.sentence import BEFORE, clause_before, sentence_before
from verifier_service.extract.math.supposition import is_supposed
from verifier_service.extract.math.wording import any_of, listed, words_of

_NEAR = 80
"""How much text before an answer is searched for the words right before it."""

_OPENING = r"[\s:$(\\\[{*_`\"'~]{0,12}(?:[A-Za-z]\w{0,3}\s?=\s?)?[$(\\\[{]{0,3}$"
"""What can stand between a word and the answer: blanks, signs that open a formula, and a name (`$x = `)."""
CLOSING = r"[\s$.,:;)\\\]}*_`\"']{0,12}"
"""What can stand between the answer and a word: blanks, and signs that close a formula or a sentence."""

_WORD = r"\w{1,20}\s{1,3}"
_ANY_BE = any_of("is | was | are | were | would be | might be | could be")

_NOT = (  # is not 5, isn't 5, I would not choose B
    r"(?:\bnot|\b(?:is|was|are|were|does|do|ca|could|would|wo)n['’]t)(?:\s{1,3}"
    + any_of(
        "even | be | equal(?: to)? | simply | just | really | actually | the answer | exactly | necessarily | always"
        "| work with"
        "| have | get | give | reach | make | come to | add up to | amount to | choose | pick | select | go with | take"
    )
    + ")?"
)
_OTHER_THAN = any_of(
    r"\bcannot be | \bnever(?: be)? | \bn?either | \binstead of | \brather than | \bdoubt (?:it is|that)"
    r"| \banything but"
    r"| \bexcept(?: for)? | \bother than | \bdifferent from | \bunequal to"
)
_WRONG_ANSWER = (  # Incorrect answer: 5, a tempting guess is 5
    words_of("wrong | incorrect | false | erroneous | invalid | mistaken | rejected | bad | naive | tempting")
    + r"\s{1,3}(?:final\s{1,3})?"
    + any_of("answers? | results? | values? | solutions? | guess(?:es)? | options? | choices?")
    + rf"?(?:\s{{1,3}}{_ANY_BE}|\s{{0,2}}[:=])?"
)
_MAYBE = (  # maybe 5, perhaps the answer is 5
    words_of("maybe | perhaps | possibly | conceivably")
    + r"(?:\s{1,3}"
    + any_of("it's | it is | they are | even | also | about | around | the (?:final )?(?:answer|result|value) is")
    + ")?"
)
_COULD_BE = (  # it could be 5; not `the most that it could be is 5`
    r"\b(?:might|may|could)\s{1,3}(?:(?:also|even|well|possibly|just|it)\s{1,3})?(?:be|equal|have\sbeen)"
    r"(?:\s{1,3}(?:either|about|around|anything\sfrom))?"
)
_IF_IT_IS = (  # if the answer is 5, suppose it were 5, whether 5
    words_of("if | suppose | supposing | assume | assuming | imagine | say | whether | pretend")
    + r"\s{1,3}(?:that\s{1,3})?(?:the|our|my|its?)?\s{0,3}(?:(?:final|correct)\s{1,3})?(?:answer|result|value"
    r"|solution|it)?" + r"\s{1,3}(?:is|was|were|equals|would\sbe|be)|\bwhether"
)
_WOULD_HAVE = r"\b(?:answer|result|solution)\swould\shave\sbeen"
_STRUCK = r"\\(?:[bx]?cancel|sout|st)\s?"  # \cancel{5}
# is not, is by no means, is not (a value), does not equal, do not choose, may be, perhaps is (three ways)
_CHINESE = "不是|并非|不为|不等于|不选|可能是|也许是|或许是|大概是"
_BEFORE_DENIED = (
    _NOT,
    _OTHER_THAN,
    _WRONG_ANSWER,
    _MAYBE,
    _COULD_BE,
    _IF_IT_IS,
    _WOULD_HAVE,
    _STRUCK,
    _CHINESE,
)
_DENIED_BEFORE = re.compile(
    f"(?:{'|'.join(_BEFORE_DENIED)}){_OPENING}",
    re.IGNORECASE,
)
"""`it is not 5`, `maybe 5`, `if the answer is 5`; not `not all: the rest is 5`."""

_NOTHING_ELSE = re.compile(
    r"\b(?:not|nothing|never|no\s\w{1,20}|\w{1,8}n['’]t)\b[^.!?;]{0,30}\b(?:other\sthan|but|except(?:\sfor)?)"
    + _OPENING,
    re.IGNORECASE,
)
"""`it could not be anything other than 5`."""

_BOUND = re.compile(
    rf"\b(?:(?:more|less|{any_of('greater | fewer | larger | smaller | bigger | lower | higher')})\s{{1,3}}than"
    r"(?:\s{1,3}or\sequal\sto)?|between\s[^.!?\n]{1,40}\sand|exceeds|(?:is|are)\s(?:below|above|under|over)"
    r"|(?:double|twice|triple|half)(?:\sof)?)" + _OPENING,
    re.IGNORECASE,
)
"""`it is less than 5`, `between 4 and 5`, `twice 5`."""

_NOT_THE_CASE = (  # It is not the case that, it is not clear whether
    rf"(?:not|never|hardly|isn['’]t|wasn['’]t)\s{{1,3}}(?:{_WORD}){{0,2}}?"
    + any_of(
        "the case | true | correct | right | possible | clear | certain | known | sure | obvious | proven | likely"
    )
    + r"\s{1,3}(?:that|whether|if|it|the)"
)
_DO_NOT_KNOW = (  # We could not determine whether, I don't think it
    r"(?:(?:can|could|did|do|does|was|were|am|is|are|would|will)\s{1,3}not|cannot|unable\s{1,3}to|fail(?:ed)?\s{1,3}to"
    rf"|(?:ca|could|did|do|does|was|were|is|are|would|wo)n['’]t)\s{{1,3}}(?:{_WORD}){{0,3}}?"
    + any_of(
        "determine | decide | tell | know | say | show | prove | verify | confirm | conclude | establish"
        "| think | believe"
        "| see | guarantee | figure out | find out"
    )
    + rf"\s{{1,3}}(?:{_WORD}){{0,2}}?(?:that|whether|if|it|this|the\s(?:final\s)?(?:answer|result|value))\b"
)
_DOUBT = (
    any_of(r"no way to know\b | (?:I|we) doubt\b | doubtful | unlikely that")
    + r"|(?:unclear|unsure|uncertain)\s{1,3}(?:that|whether|if)"
)
_WRONG_TO_SAY = (  # It is wrong to say that
    r"(?:wrong|incorrect|false|mistaken|a\smistake|an\serror|impossible|absurd)\s{1,3}(?:that\b|to\s{1,3}"
    + any_of("say | think | claim | conclude | assume | believe | answer | state | write")
    + ")"
)
_THERE_IS_NONE = (  # There is no integer n such that, No solution exists for
    r"no\s(?:(?:real|positive|such|integer|other)\s){0,2}(?:integer|number|solution|value|answer)s?\b(?!\s(?:other|but)\b)"
    r"|impossible\sfor\b"
)
_SOMEBODY_SAYS = (  # My friend says that the answer is
    any_of(
        "friend | book | teacher | student | textbook | key | he | she | they | people | some | someone | others | you"
    )
    + r"\s{1,2}(?:\w{1,20}\s){0,2}?(?:say|think|claim|believe|guesse?|argue|state|answere?)[ds]?\b"
)
_OF_OTHERS = re.compile(rf"\b{_SOMEBODY_SAYS}", re.IGNORECASE)
_CLAUSE_DENIED = re.compile(
    rf"\b(?:neither|none\s{{1,3}}of|{_THERE_IS_NONE}|{_SOMEBODY_SAYS}|{_NOT_THE_CASE}|{_DO_NOT_KNOW}|{_DOUBT}|{_WRONG_TO_SAY})",
    re.IGNORECASE,
)
"""What denies its whole clause: `It is not the case that the answer is 5`, `Neither 4 nor 5 is correct`."""

_LISTED_AS_WRONG = re.compile(
    r"(?:\b(?:none|neither|not)\b|n['’]t\b)[^.!?\n:]{0,60}\b(?:correct|right|true|valid|answers?|works?|possible)\s?:"
    r"(?!.*\b(?:is|are|gives?|giving|get|we|so|equals|then|actually|should|instead)\b|.*=)[^.!?;\n]{0,60}$"
    r"|\b(?:is|are|was|were)\s(?:wrong|incorrect|false)\s?:[^.!?;\n=a-z]{0,40}$",
    re.IGNORECASE,
)
"""`None of these is correct: 4, `; not `That can't be right: we get `."""

FAILS = (
    r"(?:(?:is|was|are)n['’]t\s{1,3}(?:\w{1,20}\s){0,2}(?:right|correct|true|it\b)"
    r"|(?:does|do|did)(?:n['’]t|\s{1,2}not)\s{1,3}(?:\w{1,20}\s)?"
    + any_of("work | hold | fit | satisfy | check out | make sense | add up | match")
    + r"|fails\b|contradicts\sthe\s(?:conditions?|problem|statement|constraints?|data)\b|won['’]t\s{1,2}work|is\s{1,3}"
    + any_of("impossible | invalid | ruled out | excluded | too (?:big|small|large|low|high|many|much|few)")
    + ")"
)
"""`does not work`, `is too big`."""

_UNMET = (  # , but they are not; which does not hold; yet this fails
    r"(?:but|yet|which|although|though|however|and),?\s(?:\w{1,20}\s){0,5}?(?:\w{1,10}n['’]t|not|fails?|false|untrue|never)\b"
)
_HELD_IF = (  # would be right if, is true only when they are independent, but they are not
    r"would\s(?:only\s|then\s)?(?:be|have\sbeen)\s(?:only\s)?(?:right|correct|true|valid|fine|the\s(?:\w{1,20}\s)?(?:answer|result|value))\s"
    r"(?:only\s)?(?:if|when|had|were|provided|assuming|under|for)\b(?![^.!?\n]{0,160}[\s,](?:and|which|as)\s(?:indeed\s)?(?:\w{1,20}\s)?"
    r"(?:is|are|do|does|was|were)\b(?!\s(?:not|n['’]t)))"
    r"|(?:is|was|holds|works|applies)\s(?:(?:right|correct|true|valid|the\sanswer)\s)?(?:only\s)?(?:if|when|provided|assuming|under)\b"
    rf"[^.!?\n]{{1,160}}?[,;]\s{_UNMET}"
)
_DENIED_AFTER = re.compile(
    CLOSING + r"(?:(?:is|was|are|were|would\sbe|seems)(?:\s{1,3}(?:clearly|definitely|obviously|actually|also"
    r"|just))?\s{1,3}(?:not\b(?!\s+"
    + any_of(
        "only | just | merely | less | more | greater | divisible | prime | even | odd | an? (?:multiple|prime"
        "|perfect|square)"
    )
    + r")|(?:the\s|an?\s)?(?:wrong|incorrect|false)\b)"
    + r"|(?:isn['’]t|is\sn't|cannot\sbe|can['’]t\sbe|can\snot\sbe|wasn['’]t|aren['’]t)\s|"
    + r"(?:might|may|could)\s(?:not\s|also\s|even\s|well\s)?be\b(?!\s\w{1,20}(?:ed|en|wn|nd)\b)"
    + r"|"
    + _HELD_IF
    + r"|is\swhat\s(?:I|one|you)\swould\b|"
    + r"(?:is|was)\s(?:only\s|just\s|merely\s|but\s)?an?\s(?:\w{1,20}\s)?(?:guess|placeholder|arbitrary\schoice)\b|"
    + FAILS
    + ")",
    re.IGNORECASE,
)
"""`5 is wrong`, `5 does not work`; not `5 is not only`."""

_CROSS_BEFORE = re.compile(r"[✗✘❌✖]\ufe0f?[\s:$(*]{0,6}$")  # ❌ 5
_CROSS_AFTER = re.compile(r"[\s$.)*]{0,6}(?:[✗✘❌✖]|\(\?\))")  # 5 ✗, 5 (?)
_ASKED = re.compile(r"[\s$.)\\\]}*\"']{0,8}\?+")  # `is it \boxed{5}$?`
_QUESTION = re.compile(r"[^.!?\n？]{0,160}[?？]")  # the rest of the question in `could it be 5 apples?`
_YES = re.compile(r"[\s*]{0,4}(?:yes|yep|yeah|correct|right|indeed|exactly|sure|true|✓|✅)", re.IGNORECASE)
_STRUCK_OUT = re.compile(_STRUCK + r"\{\s{0,3}[$(\\]{0,3}$")  # before a struck-out box: `\sout{`
_IS_QUESTION = re.compile(r"[?？][\s})\]$.]{0,6}$")  # `5?`


_STEMS = (
    "no ",
    *listed(
        "not | n't | n’t | never | neither | none | hardly | instead | rather | doubt | anything | except"
        "| other | differ"
        "| equal | wrong | correct | false | erron | error | invalid | mistak | reject | bad | naive | tempting | maybe"
        "| perhaps | possib | conceiv | might | may | could | if | suppos | assum | imagin | say | said"
        "| whether | pretend | would have been"
        "| cancel | sout | st{ | unable | fail | unlikely | unclear | unsure | uncertain | absurd | think"
        "| thought | claim"
        "| believe | guess | argue | state | answered | answers | 不 | 并非 | 可能 | 也许 | 或许 | 大概 | ✗ | ✘ | ❌"
        "| ✖"
    ),
)
"""Everything that denies an answer before it contains one of these.

Most texts contain none, which this finds quickly.
"""


def is_denied_before(text: str, start: int) -> bool:
    """Return whether the text before an answer denies it, or merely offers or supposes it."""
    window = text[max(0, start - BEFORE) : start].lower()
    if not any(stem in window for stem in _STEMS):
        return False
    near = text[max(0, start - _NEAR) : start]
    if _CROSS_BEFORE.search(near):
        return True
    if _NOTHING_ELSE.search(near):
        return False
    if _DENIED_BEFORE.search(near) or _CLAUSE_DENIED.search(clause_before(text, start)):
        return True
    return bool(_LISTED_AS_WRONG.search(sentence_before(text, start)))


def is_denied(text: str, start: int, end: int) -> bool:
    """Return whether the sentence around an answer denies it, asks about it, or merely offers it."""
    if is_denied_before(text, start) or _DENIED_AFTER.match(text, end) or _IS_QUESTION.search(text[end - 8 : end]):
        return True
    if _CROSS_AFTER.match(text, end) or is_supposed(text, start, end):
        return True
    asked = _ASKED.match(text, end)
    return bool(asked) and not _YES.match(text, asked.end())


def is_of_others(text: str, start: int) -> bool:
    """Return whether an answer's clause attributes it to someone else: `The book says the answer is 5`."""
    return bool(_OF_OTHERS.search(clause_before(text, start)))


def is_struck_out(text: str, start: int) -> bool:
    """Return whether what begins at a place is struck out."""
    return bool(_STRUCK_OUT.search(text[max(0, start - 20) : start]))


def is_asked(text: str, end: int) -> bool:
    """Return whether the sentence that continues at a place is a question that is not followed by a yes."""
    question = _QUESTION.match(text, end)
    return bool(question) and not _YES.match(text, question.end())


def is_bound(text: str, start: int) -> bool:
    """Return whether the number at a place is only a bound or a factor: `it is less than 5`, `twice 5`."""
    return bool(_BOUND.search(text[max(0, start - _NEAR) : start]))
