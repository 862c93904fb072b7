"""The wall: the tests in one process, the submission in another, and a socket between them.

Theory of operation. The tests see stand-ins for the submission's module, functions, classes, instances and exceptions.
Whatever they do with a stand-in becomes a question to the submission's process, which can only answer. Three kinds of
values cross:

- *Plain data* (numbers, text, tuples, dates ...) crosses as copies of exact builtin types, so `f(3) == 14` compares two
  integers of the tests' own process.
- *Containers that can change* (lists, dicts, sets ...) are one object at each end with a number (`mirrors`). Each
  message tells what has changed in them since the one before, so that `board.grid[1][2] = 'X'`, a constructor that
  keeps the tests' list, and `[[0] * n] * n` mean what they mean in one process.
- *Everything else* stays where it is and crosses as a handle.

The messages (`conversation` puts them on the socket; numbers count the questions of one side):

    tests -> submission   [number, operation, ...]                   see `server.OPERATIONS`
    submission -> tests   [number, "ok" | "raised" | "stop", value, extra]
    submission -> tests   [0, "ask", object, operation, ...]         while it works: see `callbacks.CALLBACKS`
    tests -> submission   ["ok", value], ["raised", ...]             the answer to that

`extra` holds what was printed, warned and logged, and what the submission made of the state of `random`.

Handles of the submission (written by `server.Server.token`, read by `link.Link`):

    ["o", number, class]           an instance of any class
    ["p", number, class, data]     an instance of a class of the submission that extends a builtin type
    ["f", number, name, qualified name, doc, kind]   a function
    ["c", number]                  a class, described by the operation `describe`
    ["b", name]                    a builtin type      ["s", module, name]  a name of `vocabulary.STDLIB`
    ["e", number, class, arguments, text, cause, where]   an exception
    ["w", number]                  a coroutine         ["x", ...]  see `extras`
    ["t", number]                  an object of the tests comes home
    ["n", number, values]          a named tuple of the tests comes home

Handles of the tests (written by `link.Link._export`, read by `server.Server._resolve`):

    number                         an object of the submission comes home
    ["a", owner, name]             a method of one, not yet called
    ["t", number, name, doc, operators, class]   an object; `class` is a handle of its class or None
    ["k", number, name, doc, operators, fields]  a class of the tests; `fields` if it is a dataclass
    ["n", class, values, number, fields]         a named tuple of the tests
    ["e", name, bases, arguments]  an exception        ["ec", name, bases]  a class of exceptions
    ["b", name], ["s", module, name], ["x", ...]       as above

What the submission may decide is in `policy`, which can be read by itself. The rooms, from the bottom up: `vocabulary`
and `extras` (names and types that cross), `evidence` (what the text of the tests says), `mirrors`, `conversation`,
`lineups`, `policy`, `stand_ins`, `callbacks`, `world`, `link`, `submission`; and at the other end `outside`, `server`.
"""
