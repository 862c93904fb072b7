"""Paths of files in a program's folder, from requests and compilers: `data/words.txt`, never `../x`."""

MAX_PARTS = 16
MAX_PART_BYTES = 255


def why_unusable(path: str) -> str | None:
    """Return why `path` is not usable as a file in the program's folder, or None if it is.

    Both ends check this: the service before it sends a job, and the box before it touches a file.
    """
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return f"{path!r} is not a relative path of names"
    try:
        longest = max(len(part.encode()) for part in parts)
    except UnicodeEncodeError:
        return f"{path!r} cannot be written in UTF-8"
    if "\0" in path or longest > MAX_PART_BYTES or len(parts) > MAX_PARTS:
        return f"{path[:100]!r} is too long, too deep, or has a NUL in it"
    return None
