"""Constants that runners and the harness have to agree on: folders, sizes, uids and environments."""

MIB = 1024 * 1024

# Folders. A program runs in FOLDER; TESTER_FOLDER is for the files of pytest.
FOLDER = "/box"
TESTER_FOLDER = "/tester"
TEMPORARY_FOLDER = "/tmp"
SHARED_FOLDER = f"{TEMPORARY_FOLDER}/work"
"""The common working folder of a program and its tester, which run as different users."""
SHARED_MEMORY_FOLDER = "/dev/shm"
WRITABLE_FOLDERS = (FOLDER, TESTER_FOLDER, TEMPORARY_FOLDER, SHARED_MEMORY_FOLDER)
"""Folders that a box mounts empty and with limited size."""
QUEUES_FOLDER = "/dev/mqueue"
"""POSIX message queues, if the container mounts them. Programs cannot write here; the reset checks it anyway."""
FOLDER_BYTES = 64 * MIB
FOLDER_INODES = 8 * 1024
SHARED_MEMORY_BYTES = 32 * MIB

# The harness inside a box.
HARNESS_FOLDER = "/opt/verifier"
HARNESS_PARTS = ("__init__.py", "protocol", "harness")
"""The parts of `sandboxes/` that are copied into a box."""

# Uids. Every box has its own span: the kernel counts a uid's processes over all containers, so two boxes that shared
# one would eat up each other's process limit.
UID_SPAN = 1 << 16
FIRST_UID_SLOT = 0x1000
UID_SLOTS = 0x6000
UIDS = 60_000
"""How many uids of its span a box draws from."""

# Environments.
PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HARNESS_ENV = {"PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "2", "LANG": "C.UTF-8"}
"""The environment of the harness."""
PROGRAM_ENV = {
    "PATH": PROGRAM_PATH,
    "HOME": FOLDER,
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",  # otherwise numpy starts a thread for each core of the machine, but a box has only one
    "OMP_NUM_THREADS": "1",
    **HARNESS_ENV,
}
"""The environment of programs; a language can add to it."""

# Limits of compilers, which do not depend on the program's limits.
COMPILE_MEMORY_MB = 2048
COMPILE_OUTPUT_BYTES = MIB
COMPILE_PROCESSES = 256
MAX_BUILD_BYTES = 32 * MIB
"""The maximum size of a compiler's output that is returned to the service for later jobs."""


def compile_wall_limit_s(compile_time_limit_s: float) -> float:
    """Return a compiler's wall-clock limit in seconds."""
    return 3 * compile_time_limit_s + 5
