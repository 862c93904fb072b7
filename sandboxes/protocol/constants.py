"""What the runners give a box and the harness counts on: folders, sizes, uids, environments. One place for each."""

MIB = 1024 * 1024

# Folders. A program runs in FOLDER; TESTER_FOLDER is for the files of pytest.
FOLDER = "/box"
TESTER_FOLDER = "/tester"
TEMPORARY_FOLDER = "/tmp"
SHARED_FOLDER = f"{TEMPORARY_FOLDER}/work"
"""Where a program and its tester both start, each as a user of its own."""
SHARED_MEMORY_FOLDER = "/dev/shm"
WRITABLE_FOLDERS = (FOLDER, TESTER_FOLDER, TEMPORARY_FOLDER, SHARED_MEMORY_FOLDER)
"""What a box mounts empty and of limited size."""
QUEUES_FOLDER = "/dev/mqueue"
"""A folder of the kernel that a container may show; programs cannot write there, and a reset looks all the same."""
FOLDER_BYTES = 64 * MIB
FOLDER_INODES = 8 * 1024
SHARED_MEMORY_BYTES = 32 * MIB

# The harness inside of a box.
HARNESS_FOLDER = "/opt/verifier"
HARNESS_PARTS = ("__init__.py", "protocol", "harness")
"""What of `sandboxes/` is put into a box."""

# Uids. Every box has a span of its own, because the kernel counts the processes of a uid over all containers.
UID_SPAN = 1 << 16
FIRST_UID_SLOT = 0x1000
UID_SLOTS = 0x6000
UIDS = 60_000
"""How many of its span a box uses before it begins anew."""

# Environments.
PROGRAM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
HARNESS_ENV = {"PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "2", "LANG": "C.UTF-8"}
"""What the harness is started with."""
PROGRAM_ENV = {
    "PATH": PROGRAM_PATH,
    "HOME": FOLDER,
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",  # numpy would start a thread for each core of the machine, and a box has one core
    "OMP_NUM_THREADS": "1",
    **HARNESS_ENV,
}
"""What programs see; a language may add to it."""

# Compilers, whatever the limits of the program are.
COMPILE_MEMORY_MB = 2048
COMPILE_OUTPUT_BYTES = MIB
COMPILE_PROCESSES = 256
MAX_BUILD_BYTES = 32 * MIB
"""What a compiler made is handed back for later jobs up to this size."""


def compile_wall_limit_s(compile_time_limit_s: float) -> float:
    """Return how long a compiler may take on the clock."""
    return 3 * compile_time_limit_s + 5
