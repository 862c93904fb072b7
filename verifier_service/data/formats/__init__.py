"""The supported formats, one file each. A row has the first format that fits its columns, so narrow ones come first."""

from verifier_service.data.formats import (
    acecode,
    apps,
    bigcodebench,
    code_contests,
    code_contests_plus,
    codeforces,
    deepcoder,
    gsm8k,
    humaneval,
    kodcode,
    leetcode,
    livecodebench,
    math,
    mbpp,
    nemo_gym,
    orz,
    rows,
    rstar_coder,
    submissions,
    verification_info,
    verl,
)

FORMATS = {
    one.name: one
    for one in (
        submissions.FORMAT,
        rows.FORMAT,
        nemo_gym.FORMAT,
        verl.FORMAT,
        verification_info.FORMAT,
        livecodebench.FORMAT,
        leetcode.FORMAT,
        bigcodebench.FORMAT,
        humaneval.FORMAT,
        mbpp.FORMAT,
        codeforces.FORMAT,
        code_contests_plus.FORMAT,
        code_contests.FORMAT,
        deepcoder.FORMAT,
        kodcode.FORMAT,
        acecode.FORMAT,
        rstar_coder.FORMAT,
        apps.FORMAT,
        orz.FORMAT,
        gsm8k.FORMAT,
        math.FORMAT,
    )
}
