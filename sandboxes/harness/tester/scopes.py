"""The names that a piece of Python code uses and binds, scope by scope, and those that it takes from outside.

"At once" means when a statement is executed. This includes its own parts, the decorators and defaults of definitions
and the bodies of classes, but not the bodies of functions, which run when they are called.
"""

import ast
from collections.abc import Iterable, Iterator

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


def parts_at_once(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the parts that run when the statements run. A function is yielded, but its body is not entered."""
    waiting = list(nodes)
    while waiting:
        part = waiting.pop()
        yield part
        if isinstance(part, SCOPES):
            waiting += [default for default in (*part.args.defaults, *part.args.kw_defaults) if default is not None]
            waiting += getattr(part, "decorator_list", [])
        else:
            waiting += ast.iter_child_nodes(part)


def body_of(function: Function) -> list[ast.AST]:
    """Return the nodes that run when the function is called."""
    return [function.body] if isinstance(function, ast.Lambda) else list(function.body)


def parameters(function: Function) -> list[ast.arg]:
    """Return all parameters of a function."""
    arguments = function.args
    more = [arg for arg in (arguments.vararg, arguments.kwarg) if arg is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *more]


def needs_arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the function cannot be called without arguments."""
    arguments = function.args
    required = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    return required > 0 or any(default is None for default in arguments.kw_defaults)


def bound_by(part: ast.AST) -> Iterator[str]:
    """Yield the names that one part of a statement binds in its scope."""
    match part:
        case ast.Name(ctx=ast.Store() | ast.Del()):
            yield part.id
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield part.name
        case ast.alias():
            yield part.asname or part.name.partition(".")[0]
        case (
            ast.ExceptHandler(name=str() as name) | ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name)
        ):
            yield name
        case ast.MatchMapping(rest=str() as rest):
            yield rest
        case _:
            pass


def from_outside(function: Function) -> set[str]:
    """Return the names that a function takes from the scopes around it when it runs."""
    own = {arg.arg for arg in parameters(function)}
    used: set[str] = set()
    declared: set[str] = set()
    for part in parts_at_once(body_of(function)):
        own.update(bound_by(part))
        if isinstance(part, SCOPES):
            used |= from_outside(part)
        elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            used.add(part.id)
        elif isinstance(part, (ast.Global, ast.Nonlocal)):
            declared.update(part.names)
    return (used - own) | declared


def loaded_at_once(node: ast.AST) -> set[str]:
    """Return the names that a top-level statement reads when it runs."""
    return {part.id for part in parts_at_once([node]) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}


def bound_at_top(node: ast.stmt) -> set[str]:
    """Return the names that a top-level statement binds at the top, not those inside a class or comprehension."""
    found: set[str] = set()
    waiting: list[ast.AST] = [node]
    while waiting:
        part = waiting.pop()
        found.update(bound_by(part))
        if isinstance(part, ast.ClassDef):
            waiting += [*part.bases, *part.decorator_list]
        elif isinstance(part, ast.comprehension):
            waiting += [part.iter, *part.ifs]
        elif not isinstance(part, SCOPES):
            waiting += ast.iter_child_nodes(part)
    return found


def free_names(tree: ast.Module) -> set[str]:
    """Return the names that the text uses but only its surroundings can provide, including builtins.

    This includes a name that is read before the text binds it: `total = total(1, 2)`.
    """
    bound: set[str] = set()
    early: set[str] = set()
    late: set[str] = set()
    for node in tree.body:
        parts = list(parts_at_once([node]))
        late = late.union(*(from_outside(part) for part in parts if isinstance(part, SCOPES)))
        here = bound_at_top(node)
        inner = {name for part in parts for name in bound_by(part)} - here
        early |= loaded_at_once(node) - bound - inner - (here if _reads_what_it_binds(node) else set())
        bound |= here | _made_global(node)
    return early | (late - bound)


def _made_global(node: ast.stmt) -> set[str]:
    """Return the names that functions in this statement declare global and bind."""
    declared = {name for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}
    stored = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    return declared & stored


def _reads_what_it_binds(node: ast.stmt) -> bool:
    """Whether a statement can read the names that it binds: a loop can, `x = x(1)` cannot."""
    return not isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign))
