"""Make objects immortal, so that forked processes do not copy the memory pages of objects that they merely use.

The interpreter stores a reference count in every object. So even reading an attribute of a module writes to a page, and
the kernel has to copy every page that a forked process writes to. Since Python 3.12, an object whose count has a
certain value is immortal and its count no longer changes (PEP 683); `None` is one of them. Everything that the zygote
has loaded lives as long as any process forked from it, so all of it can be made immortal.
"""

import ctypes
import gc
import io
import sys
import types

_KNOWN = (3, 12) <= sys.version_info < (3, 15) and "t" not in sys.abiflags
"""Whether the layout is known: in these versions, the count is the first word of an object."""
_LEAST = 1 << 30
"""Counts from here on mean that an object is immortal; real counts never get this high."""
_MORTAL = (types.FrameType, types.GeneratorType, io.IOBase)
"""Objects that are running, or that do something when they are freed: these stay mortal."""


def make_all_immortal() -> int:
    """Make all objects immortal that are reachable from those of the garbage collector, and return how many.

    This does nothing if the interpreter has no immortal objects.
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
            types_seen.add(id(one))  # among objects that were already immortal, only types refer to mortal ones
        else:
            continue
        waiting += _referents(one)
    return made


def _count(one: object) -> ctypes.c_uint32:
    return ctypes.c_uint32.from_address(id(one))


def _referents(one: object) -> list[object]:
    """Return the objects that an object refers to; for code objects, which the collector skips, the common ones."""
    if isinstance(one, types.CodeType):
        return [one.co_consts, one.co_names, one.co_name, one.co_qualname, one.co_filename, one.co_linetable]
    return gc.get_referents(one)
