"""The wall: the tests in one process, the submission in another, and a socket between them.

Theory of operation. The tests see stand-ins for the submission's module, functions, classes, instances and exceptions.
Each use of a stand-in becomes a question to the submission's process, which can only answer. Three kinds of values
cross the wall:

- *Plain data* (numbers, text, tuples, dates ...) crosses as copies with exact builtin types. So `f(3) == 14` compares
  two integers in the tests' own process.
- *Mutable containers* (lists, dicts, sets ...) are one object at each end, with a common number (`mirrors`). Each
  message includes what has changed in them since the previous one. So `board.grid[1][2] = 'X'`, a constructor that
  keeps the tests' list, and `[[0] * n] * n` behave as they do in one process.
- *Everything else* stays where it is, and crosses as a handle.

The messages (`conversation` sends them over the socket; numbers count the questions of one side):

    tests -> submission   [number, operation, ...]                   see `server.OPERATIONS`
    submission -> tests   [number, "ok" | "raised" | "stop", value, extra]
    submission -> tests   [0, "ask", object, operation, ...]         while it works: see `callbacks.CALLBACKS`
    tests -> submission   ["ok", value], ["raised", ...]             the answer to that

`extra` contains what was printed, warned and logged, and the new state of `random`.

Handles of the submission (written by `server.Server.token`, read by `link.Link`):

    ["o", number, class]           an instance of any class
    ["p", number, class, data]     an instance of a class of the submission that extends a builtin type
    ["f", number, name, qualified name, doc, kind]   a function
    ["c", number]                  a class, described by the operation `describe`
    ["b", name]                    a builtin type      ["s", module, name]  a name of `vocabulary.STDLIB`
    ["e", number, class, arguments, text, cause, where]   an exception
    ["w", number]                  a coroutine         ["x", ...]  see `extras`
    ["t", number]                  an object of the tests, returned to them
    ["n", number, values]          a named tuple of the tests, returned to them

Handles of the tests (written by `link.Link._export`, read by `server.Server._resolve`):

    number                         an object of the submission, returned to it
    ["a", owner, name]             a method of one, not yet called
    ["t", number, name, doc, operators, class]   an object; `class` is a handle of its class or None
    ["k", number, name, doc, operators, fields]  a class of the tests; `fields` if it is a dataclass
    ["n", class, values, number, fields]         a named tuple of the tests
    ["e", name, bases, arguments]  an exception        ["ec", name, bases]  a class of exceptions
    ["b", name], ["s", module, name], ["x", ...]       as above

Security reviewers should start with `policy`, which defines what the submission may decide and can be read by itself.
The modules, from the bottom up: `vocabulary` and `extras` (names and types that cross), `evidence` (what the text of
the tests says), `mirrors`, `conversation`, `lineups`, `policy`, `stand_ins`, `callbacks`, `world`, `link`,
`submission`; and at the other end `outside`, `server`.
"""
