"""Run `script.py` next to this program like a notebook cell: its result is the value of its last expression.

The result is written to `last_value.json`: `text`, or the `error` that ended the script.
"""

import ast
import json
import traceback

SCRIPT = "script.py"
RESULT = "last_value.json"


def _value(source: str) -> object:
    """Run a script, and return the value of its last statement if that is an expression."""
    tree = ast.parse(source, SCRIPT)
    scope = {"__name__": "__main__", "__file__": SCRIPT}
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        exec(compile(tree, SCRIPT, "exec"), scope)
        return None
    del tree.body[-1]
    exec(compile(tree, SCRIPT, "exec"), scope)
    return eval(compile(ast.Expression(last.value), SCRIPT, "eval"), scope)  # noqa: S307 -- running this code is the purpose of the program


def _run() -> dict[str, object]:
    with open(SCRIPT, encoding="utf-8", newline="") as file:
        source = file.read()
    try:
        value = _value(source)
        return {"text": None if value is None else repr(value), "error": None}
    except BaseException as error:
        told = {"name": type(error).__name__, "value": str(error), "traceback": traceback.format_exc()}
        return {"text": None, "error": told}


_came_to = _run()
with open(RESULT, "w", encoding="utf-8") as _file:
    json.dump(_came_to, _file)
