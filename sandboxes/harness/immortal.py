"""Objects that are never freed: a forked process that uses them then writes nothing to the pages on which they lie.

An interpreter counts in every object how often it is referred to, so that a mere look at a module writes to its page,
and a page that a forked process writes to has to be copied for it. From Python 3.12 on an object whose count has a
certain value is not counted any more (PEP 683); what the interpreter itself makes immortal is `None`, for one. What
the zygote has loaded lives as long as any process forked from it, so all of it may be.
"""

import ctypes
import gc
import io
import sys
import types

_KNOWN = (3, 12) <= sys.version_info < (3, 15) and "t" not in sys.abiflags
"""Whether the count lies where it is looked for here: it is the first word of an object."""
_LEAST = 1 << 30
"""No count of an object that is not immortal gets as far."""
_MORTAL = (types.FrameType, types.GeneratorType, io.IOBase)
"""What runs, and what does something when it is freed."""


def make_all_immortal() -> int:
    """Make every object immortal that can be found from those the collector knows of; return how many there are.

    Where the interpreter knows no immortal objects nothing is done.
    """
    value = _count(None).value
    if not _KNOWN or value < _LEAST:
        return 0
    made = 0
    types_seen: set[int] = set()
    waiting = gc.get_objects()
    while waiting:
        one = waiting.pop()
        count = _count(one)
        if one is waiting or one is types_seen or isinstance(one, _MORTAL):
            continue
        if count.value < _LEAST:
            count.value = value
            made += 1
        elif isinstance(one, type) and id(one) not in types_seen:
            types_seen.add(id(one))  # of what was immortal before, they alone refer to what is not
        else:
            continue
        waiting += _referents(one)
    return made


def _count(one: object) -> ctypes.c_uint32:
    return ctypes.c_uint32.from_address(id(one))


def _referents(one: object) -> list[object]:
    """Return what an object refers to; of a code object, which the collector does not look into, what is read often."""
    if isinstance(one, types.CodeType):
        return [one.co_consts, one.co_names, one.co_name, one.co_qualname, one.co_filename, one.co_linetable]
    return gc.get_referents(one)
