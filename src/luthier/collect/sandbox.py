"""What a process that parses strangers' bytes may still do: compute, read its own code and one file, write to one pipe.

Landlock limits which files it can open, seccomp which system calls it can make, resource limits how much it can take.
Each is used where the kernel has it; `confine` says which held. See landlock(7), seccomp(2), getrlimit(2).
"""

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MOST_MEMORY = 1 << 30
"""Bytes of address space above what the process has when it is confined."""
MOST_CPU_SECONDS = 60
HARD_CPU_SECONDS = 3_600
MOST_OPEN_FILES = 64
SYSTEM_FOLDERS = ("/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom")
PR_SET_DUMPABLE, PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 4, 1, 22, 38
SECCOMP_MODE_FILTER = 2

LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
LANDLOCK_VERSION, LANDLOCK_PATH_BENEATH = 1, 1
READ_FILE, READ_FOLDER = 1 << 2, 1 << 3
FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Version of Landlock -> every right over files that it knows; all are refused but those that a rule gives back."""
NETWORK_RIGHTS, NETWORK_VERSION = 3, 4
SCOPES, SCOPE_VERSION = 3, 6
"""Signals to and sockets of processes outside."""

AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
REFUSED_CALLS = """
socket 41 198, connect 42 203, accept 43 202, sendto 44 206, bind 49 200, listen 50 201, socketpair 53 199
fork 57 -, vfork 58 -, execve 59 221, execveat 322 281, kill 62 129, tkill 200 130, ptrace 101 117
truncate 76 45, ftruncate 77 46, rename 82 -, mkdir 83 -, rmdir 84 -, creat 85 -, link 86 -, unlink 87 -
symlink 88 -, chmod 90 -, fchmod 91 52, chown 92 -, fchown 93 55, lchown 94 -, mknod 133 -, mkdirat 258 34
mknodat 259 33, fchownat 260 54, unlinkat 263 35, renameat 264 38, linkat 265 37, symlinkat 266 36
fchmodat 268 53, renameat2 316 276, setxattr 188 5, utimensat 280 88, mount 165 40, umount2 166 39
chroot 161 51, pivot_root 155 41, unshare 272 97, setns 308 268, open_by_handle_at 304 265
process_vm_readv 310 270, process_vm_writev 311 271, pidfd_getfd 438 438, add_key 248 217
request_key 249 218, keyctl 250 219, perf_event_open 298 241, bpf 321 280, userfaultfd 323 282
io_uring_setup 425 425, io_uring_enter 426 426, io_uring_register 427 427, memfd_create 319 279
shmget 29 194, msgget 68 186, semget 64 190, mq_open 240 180, personality 135 92, open_tree 428 428
move_mount 429 429, fsopen 430 430, fsmount 432 432, mount_setattr 442 442, pidfd_send_signal 424 424
pidfd_open 434 434, fchmodat2 452 452, quotactl 179 60, reboot 169 142
"""
"""Network, processes, changes to files, other ways into the kernel: each with its number on x86_64 and on aarch64."""
MACHINES = ("x86_64", "aarch64")
CLONE = {"x86_64": 56, "aarch64": 220}
PRLIMIT = {"x86_64": 302, "aarch64": 261}
OPENS = {"x86_64": ((2, 1), (257, 2)), "aarch64": ((56, 2),)}
"""Calls that open a file, and which argument holds the flags."""
OPENAT2, CLONE3 = 437, 435
CLONE_THREAD = 0x10000
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
LOAD, JUMP_EQUAL, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000
CALL_OFFSET, ARCHITECTURE_OFFSET, ARGUMENTS_OFFSET = 0, 4, 16
X32_BIT = 0x40000000


@dataclass(frozen=True, slots=True)
class Confinement:
    """Which walls stand around a worker."""

    landlock: int
    """Version of Landlock, 0 without."""
    seccomp: bool

    @property
    def missing(self) -> list[str]:
        """What this machine lacks."""
        names = {"Landlock": bool(self.landlock), "seccomp": self.seccomp}
        return [name for name, held in names.items() if not held]


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_char_p))


@dataclass(frozen=True, slots=True)
class Walls:
    """What can be made ready before the process that is to be confined exists."""

    libc: ctypes.CDLL
    folders: tuple[tuple[int, int], ...]
    """(descriptor, Landlock rights) of every place that may be read."""
    program: bytes
    """The filter of system calls; empty where the machine's call numbers are not known."""


def raise_walls() -> Walls:
    """Open the places that may be read, and write the filter."""
    places = [place for place in _readable_places() if os.path.exists(place)] if sys.platform == "linux" else []
    return Walls(
        libc=ctypes.CDLL(None, use_errno=True),
        folders=tuple((os.open(place, os.O_PATH | os.O_CLOEXEC), _rights(place)) for place in places),
        program=b"".join(_program(platform.machine())) if platform.machine() in MACHINES else b"",
    )


def confine(walls: Walls, descriptor: int) -> Confinement:
    """Confine this process for good: from now on it reads its own code and the open file, and changes no file."""
    _limit_resources()
    if sys.platform != "linux":
        return Confinement(landlock=0, seccomp=False)
    walls.libc.prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)
    walls.libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    if walls.libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return Confinement(landlock=0, seccomp=False)
    return Confinement(landlock=_restrict_files(walls, descriptor), seccomp=_restrict_calls(walls))


def allow_cpu(seconds: int) -> None:
    """Set how many seconds this process may compute in all."""
    resource.setrlimit(resource.RLIMIT_CPU, (min(seconds, HARD_CPU_SECONDS), HARD_CPU_SECONDS))


def _limit_resources() -> None:
    allow_cpu(MOST_CPU_SECONDS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_OPEN_FILES, MOST_OPEN_FILES))
    statm = Path("/proc/self/statm")
    if statm.exists():
        most = int(statm.read_text().split()[0]) * resource.getpagesize() + MOST_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _restrict_files(walls: Walls, descriptor: int) -> int:
    call = walls.libc.syscall
    version = call(LANDLOCK_CREATE, None, 0, LANDLOCK_VERSION)
    if version < 1:
        return 0
    refused = struct.pack("=Q", FILE_RIGHTS[min(version, max(FILE_RIGHTS))])
    refused += struct.pack("=Q", NETWORK_RIGHTS) if version >= NETWORK_VERSION else b""
    refused += struct.pack("=Q", SCOPES) if version >= SCOPE_VERSION else b""
    ruleset = call(LANDLOCK_CREATE, refused, len(refused), 0)
    if ruleset < 0:
        return 0
    for place, rights in (*walls.folders, (descriptor, READ_FILE)):
        call(LANDLOCK_ADD, ruleset, LANDLOCK_PATH_BENEATH, struct.pack("=Qi", rights, place), 0)
    held = call(LANDLOCK_RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    for place, _ in walls.folders:
        os.close(place)
    return int(version) if held else 0


def _readable_places() -> list[str]:
    code = [entry for entry in sys.path if entry and os.path.isabs(entry)]
    return sorted({*SYSTEM_FOLDERS, *code, sys.prefix, sys.base_prefix})


def _rights(place: str) -> int:
    return READ_FILE | READ_FOLDER if os.path.isdir(place) else READ_FILE


def _restrict_calls(walls: Walls) -> bool:
    wanted = _Filter(len(walls.program) // 8, walls.program)
    install = walls.libc.prctl
    return bool(walls.program) and install(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(wanted), 0, 0) == 0


def _program(machine: str) -> Sequence[bytes]:
    """Berkeley packet filter over `struct seccomp_data`: another architecture kills, a refused call fails."""
    refused = REFUSE | errno.EPERM
    absent = REFUSE | errno.ENOSYS
    steps = [
        *(_step(LOAD, ARCHITECTURE_OFFSET), _step(JUMP_EQUAL, AUDIT_ARCHITECTURE[machine], 1, 0), _step(RETURN, KILL)),
        _step(LOAD, CALL_OFFSET),
        *(_step(JUMP_ANY_BIT, X32_BIT, 0, 1), _step(RETURN, refused)),
        # The C library turns to `clone` and `openat` when these are absent; their arguments can be looked at.
        *(_step(JUMP_EQUAL, CLONE3, 0, 1), _step(RETURN, absent), _step(JUMP_EQUAL, OPENAT2, 0, 1)),
        _step(RETURN, absent),
    ]
    for number in _refused_numbers(machine):
        steps += [_step(JUMP_EQUAL, number, 0, 1), _step(RETURN, refused)]
    thread = _argument(0)
    steps += [_step(JUMP_EQUAL, CLONE[machine], 0, 4), thread, _step(JUMP_ANY_BIT, CLONE_THREAD, 1, 0)]
    steps += [_step(RETURN, refused), _step(RETURN, ALLOW)]
    steps += [_step(JUMP_EQUAL, PRLIMIT[machine], 0, 4), _argument(0), _step(JUMP_EQUAL, 0, 1, 0)]
    steps += [_step(RETURN, refused), _step(RETURN, ALLOW)]
    for number, place in OPENS[machine]:
        steps += [_step(JUMP_EQUAL, number, 0, 4), _argument(place), _step(JUMP_ANY_BIT, WRITING, 0, 1)]
        steps += [_step(RETURN, refused), _step(RETURN, ALLOW)]
    return [*steps, _step(RETURN, ALLOW)]


def _refused_numbers(machine: str) -> list[int]:
    calls = [entry.split() for entry in REFUSED_CALLS.replace("\n", ",").split(",") if entry.strip()]
    numbers = [call[1 + MACHINES.index(machine)] for call in calls]
    return [int(number) for number in numbers if number != "-"]


def _argument(place: int) -> bytes:
    return _step(LOAD, ARGUMENTS_OFFSET + 8 * place)


def _step(code: int, value: int, when_true: int = 0, when_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, when_true, when_false, value)
