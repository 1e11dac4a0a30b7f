"""The thread pool, in generated code: no C compiler, no library but the C library's threads.

    pool        a struct that begins with a pointer to fork_join
    fork_join   void (pool *, task, void *args, i64 shares, i64 threads): runs
                task(args, share, shares, thread) for each share, thread < threads; then returns
    threads     take one share after the other by an atomic counter; the caller is thread 0

One word tells the state of a job: its number in the upper half; in the lower one whether it is
closed, whether the caller sleeps until it is done, and how many workers are in it. A worker enters
by compare-and-swap, only while the job is open; the caller closes it when no share is left, and
waits for those inside. So nobody waits for a worker that is asleep or not scheduled. Workers wait
for the next job spinning, for a bounded time, then in a futex.

Whoever comes while the pool is busy (a second caller, a task that forks) does all shares itself, as
one. In a child process after a fork the pool starts anew: the struct names the process that it
belongs to. Threads are never joined: the end of the process ends them. They block signals, which
are for the program's own threads, but not those by which a fault is told or the C library calls its
threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import llvmlite.binding as llvm

from wherry.schema.errors import TargetError

from .cache import kept
from .target import Target, emit_object

POOL: Final = "wherry_pool"

# A pause of x86 takes some 20 to 50 ns, an isb of Arm as long: 100 us of spinning, about.
_IDLE_ROUNDS, _WAIT_ROUNDS = 4000, 2000
_ACTIVE, _WAITING, _CLOSED = 0xFFF, 1 << 30, 1 << 31
_FUTEX_WAIT, _FUTEX_WAKE = 128, 129  # of one process only
# SIGILL TRAP ABRT BUS FPE SEGV SYS, and two that the C library sends to its threads.
_UNBLOCKED = (4, 5, 6, 7, 8, 11, 31, 32, 33)
_BLOCKED = ~sum(1 << (number - 1) for number in _UNBLOCKED)


@dataclass(frozen=True)
class _System:
    """What the kernel's calls are numbered, and how to wait for an instant."""

    getpid: int
    sigprocmask: int
    futex: int
    pause: str
    declare: str


_SYSTEMS = {
    "x86_64": _System(
        39, 14, 202, "call void @llvm.x86.sse2.pause()", "declare void @llvm.x86.sse2.pause()"
    ),
    "aarch64": _System(
        172, 135, 98, "call void @llvm.aarch64.isb(i32 15)", "declare void @llvm.aarch64.isb(i32)"
    ),
}

_TEXT = """
target triple = "{triple}"
target datalayout = "{layout}"

; fork_join; at 64: process, number of workers, busy; then, each on a line of its own, the job's
; state, how many sleep, the next share; the job: task, args, shares, threads.
%pool = type {{
  ptr, [56 x i8], i64, i64, i32, [44 x i8], i64, [56 x i8], i32, [60 x i8], i64, [56 x i8],
  ptr, ptr, i64, i64
}}
@{pool} = hidden global %pool {{
  ptr @fork_join, [56 x i8] zeroinitializer, i64 0, i64 0, i32 0, [44 x i8] zeroinitializer,
  i64 0, [56 x i8] zeroinitializer, i32 0, [60 x i8] zeroinitializer, i64 0,
  [56 x i8] zeroinitializer, ptr null, ptr null, i64 0, i64 0
}}, align 128

declare i64 @syscall(i64, ...)
declare i32 @pthread_create(ptr, ptr, ptr, ptr)
{declare}

define internal void @fork_join(
  ptr %pool, ptr %task, ptr %args, i64 %shares, i64 %threads
) nounwind {{
  %ours = call i1 @acquire(ptr %pool)
  br i1 %ours, label %check, label %alone
alone:
  call void %task(ptr %args, i64 0, i64 1, i64 0)
  ret void
check:
  %workers.at = getelementptr %pool, ptr %pool, i32 0, i32 3
  %workers = load i64, ptr %workers.at
  %all = add i64 %workers, 1
  %few = icmp ult i64 %all, %threads
  br i1 %few, label %more, label %publish
more:
  call void @hire(ptr %pool, i64 %threads)
  br label %publish
publish:
  %task.at = getelementptr %pool, ptr %pool, i32 0, i32 12
  %args.at = getelementptr %pool, ptr %pool, i32 0, i32 13
  %shares.at = getelementptr %pool, ptr %pool, i32 0, i32 14
  %threads.at = getelementptr %pool, ptr %pool, i32 0, i32 15
  %next.at = getelementptr %pool, ptr %pool, i32 0, i32 10
  %asleep.at = getelementptr %pool, ptr %pool, i32 0, i32 8
  %state.at = getelementptr %pool, ptr %pool, i32 0, i32 6
  %number.at = getelementptr i32, ptr %state.at, i32 1
  store ptr %task, ptr %task.at
  store ptr %args, ptr %args.at
  store i64 %shares, ptr %shares.at
  store atomic i64 %threads, ptr %threads.at monotonic, align 8
  store atomic i64 0, ptr %next.at monotonic, align 8
  %last = load atomic i64, ptr %state.at monotonic, align 8
  %number = lshr i64 %last, 32
  %following = add i64 %number, 1
  %open = shl i64 %following, 32
  %replaced = atomicrmw xchg ptr %state.at, i64 %open seq_cst
  %asleep = load atomic i32, ptr %asleep.at seq_cst, align 4
  %awake = icmp eq i32 %asleep, 0
  br i1 %awake, label %work, label %wake
wake:
  ; Where all workers may take part, any of them will do.
  %exact = icmp eq i64 %all, %threads
  %others = sub i64 %shares, 1
  %count = select i1 %exact, i64 %others, i64 {everybody}
  %woken = call i64 (i64, ...) @syscall(i64 {futex}, ptr %number.at, i64 {futex_wake}, i64 %count)
  br label %work
work:
  call void @work(ptr %pool, i64 0)
  %left = atomicrmw or ptr %state.at, i64 {closed} acq_rel
  %inside = and i64 %left, {active}
  %done = icmp eq i64 %inside, 0
  br i1 %done, label %end, label %wait
wait:
  call void @await(ptr %state.at)
  br label %end
end:
  %busy.at = getelementptr %pool, ptr %pool, i32 0, i32 4
  store atomic i32 0, ptr %busy.at release, align 4
  ret void
}}

; Whether the caller has the pool for itself now. In a new process the pool is made anew.
define internal i1 @acquire(ptr %pool) nounwind {{
  %owner.at = getelementptr %pool, ptr %pool, i32 0, i32 2
  %busy.at = getelementptr %pool, ptr %pool, i32 0, i32 4
  %process = call i64 (i64, ...) @syscall(i64 {getpid})
  %owner = load atomic i64, ptr %owner.at acquire, align 8
  %known = icmp eq i64 %owner, %process
  br i1 %known, label %try, label %new
try:
  %taken = cmpxchg ptr %busy.at, i32 0, i32 1 acquire monotonic
  %ours = extractvalue {{ i32, i1 }} %taken, 1
  ret i1 %ours
new:
  %changing = sub i64 0, %process
  %claimed = cmpxchg ptr %owner.at, i64 %owner, i64 %changing acquire monotonic
  %first = extractvalue {{ i64, i1 }} %claimed, 1
  %other = icmp ne i64 %owner, %changing
  %go = and i1 %first, %other
  br i1 %go, label %reset, label %no
reset:
  %workers.at = getelementptr %pool, ptr %pool, i32 0, i32 3
  %state.at = getelementptr %pool, ptr %pool, i32 0, i32 6
  %asleep.at = getelementptr %pool, ptr %pool, i32 0, i32 8
  store atomic i32 1, ptr %busy.at monotonic, align 4
  store i64 0, ptr %workers.at
  store atomic i64 0, ptr %state.at monotonic, align 8
  store atomic i32 0, ptr %asleep.at monotonic, align 4
  store atomic i64 %process, ptr %owner.at release, align 8
  ret i1 1
no:
  ret i1 0
}}

; Starts workers until there are threads - 1 of them, or the system gives no more.
define internal void @hire(ptr %pool, i64 %threads) nounwind {{
  %blocked = alloca i64
  %before = alloca i64
  %thread = alloca i64
  store i64 {blocked}, ptr %blocked
  %workers.at = getelementptr %pool, ptr %pool, i32 0, i32 3
  %a = call i64 (i64, ...) @syscall(i64 {sigprocmask}, i64 2, ptr %blocked, ptr %before, i64 8)
  br label %again
again:
  %workers = load i64, ptr %workers.at
  %next = add i64 %workers, 1
  %wanted = icmp ult i64 %next, %threads
  br i1 %wanted, label %start, label %end
start:
  %number = inttoptr i64 %next to ptr
  %failed = call i32 @pthread_create(ptr %thread, ptr null, ptr @worker, ptr %number)
  %fine = icmp eq i32 %failed, 0
  br i1 %fine, label %started, label %end
started:
  store i64 %next, ptr %workers.at
  br label %again
end:
  %b = call i64 (i64, ...) @syscall(i64 {sigprocmask}, i64 2, ptr %before, ptr null, i64 8)
  ret void
}}

; Takes shares until none is left.
define internal void @work(ptr %pool, i64 %thread) nounwind {{
  %task.at = getelementptr %pool, ptr %pool, i32 0, i32 12
  %args.at = getelementptr %pool, ptr %pool, i32 0, i32 13
  %shares.at = getelementptr %pool, ptr %pool, i32 0, i32 14
  %next.at = getelementptr %pool, ptr %pool, i32 0, i32 10
  %task = load ptr, ptr %task.at
  %args = load ptr, ptr %args.at
  %shares = load i64, ptr %shares.at
  br label %again
again:
  %share = atomicrmw add ptr %next.at, i64 1 monotonic
  %some = icmp ult i64 %share, %shares
  br i1 %some, label %take, label %end
take:
  call void %task(ptr %args, i64 %share, i64 %shares, i64 %thread)
  br label %again
end:
  ret void
}}

; Waits until no worker is in the closed job.
define internal void @await(ptr %state.at) nounwind {{
entry:
  br label %look
look:
  %round = phi i64 [ 0, %entry ], [ %next, %spin ]
  %state = load atomic i64, ptr %state.at acquire, align 8
  %inside = and i64 %state, {active}
  %empty = icmp eq i64 %inside, 0
  br i1 %empty, label %end, label %spin
spin:
  {pause}
  %next = add i64 %round, 1
  %patient = icmp ult i64 %next, {wait_rounds}
  br i1 %patient, label %look, label %sleep
sleep:
  %before = atomicrmw or ptr %state.at, i64 {waiting} acq_rel
  %still = and i64 %before, {active}
  %left = icmp eq i64 %still, 0
  br i1 %left, label %end, label %block
block:
  %told = or i64 %before, {waiting}
  %low = and i64 %told, 4294967295
  %a = call i64 (i64, ...)
    @syscall(i64 {futex}, ptr %state.at, i64 {futex_wait}, i64 %low, ptr null)
  br label %sleep
end:
  ret void
}}

; A worker's life. `seen` is the number of the last job that it has had to do with.
define internal ptr @worker(ptr %argument) nounwind {{
entry:
  %thread = ptrtoint ptr %argument to i64
  %state.at = getelementptr %pool, ptr @{pool}, i32 0, i32 6
  %number.at = getelementptr i32, ptr %state.at, i32 1
  %asleep.at = getelementptr %pool, ptr @{pool}, i32 0, i32 8
  %threads.at = getelementptr %pool, ptr @{pool}, i32 0, i32 15
  br label %idle
idle:
  %seen = phi i64 [ 0, %entry ], [ %seen, %slept ], [ %number, %refuse ], [ %number, %leave ],
    [ %number, %tell ]
  br label %poll
poll:
  %round = phi i64 [ 0, %idle ], [ %next, %spin ]
  %polled = load atomic i64, ptr %state.at acquire, align 8
  %polled.number = lshr i64 %polled, 32
  %same = icmp eq i64 %polled.number, %seen
  br i1 %same, label %spin, label %try
spin:
  {pause}
  %next = add i64 %round, 1
  %patient = icmp ult i64 %next, {idle_rounds}
  br i1 %patient, label %poll, label %sleep
sleep:
  %a = atomicrmw add ptr %asleep.at, i32 1 seq_cst
  ; The kernel compares once more: a job that was published meanwhile does not let us sleep.
  %b = call i64 (i64, ...)
    @syscall(i64 {futex}, ptr %number.at, i64 {futex_wait}, i64 %seen, ptr null)
  br label %slept
slept:
  %c = atomicrmw sub ptr %asleep.at, i32 1 seq_cst
  br label %idle
try:
  %state = phi i64 [ %polled, %poll ], [ %changed, %enter ]
  %number = lshr i64 %state, 32
  %threads = load atomic i64, ptr %threads.at monotonic, align 8
  %spare = icmp uge i64 %thread, %threads
  %shut = and i64 %state, {closed}
  %over = icmp ne i64 %shut, 0
  %out = or i1 %spare, %over
  br i1 %out, label %refuse, label %enter
refuse:
  br label %idle
enter:
  %more = add i64 %state, 1
  %swapped = cmpxchg ptr %state.at, i64 %state, i64 %more acq_rel acquire
  %changed = extractvalue {{ i64, i1 }} %swapped, 0
  %in = extractvalue {{ i64, i1 }} %swapped, 1
  br i1 %in, label %run, label %try
run:
  call void @work(ptr @{pool}, i64 %thread)
  br label %leave.now
leave.now:
  %before = atomicrmw sub ptr %state.at, i64 1 acq_rel
  %rest = and i64 %before, {last_waited}
  %last = icmp eq i64 %rest, {last_one}
  br i1 %last, label %tell, label %leave
tell:
  %d = call i64 (i64, ...) @syscall(i64 {futex}, ptr %state.at, i64 {futex_wake}, i64 1)
  br label %idle
leave:
  br label %idle
}}
"""


@cache
def pool_object(target: Target) -> bytes:
    """The pool's object code. Raises TargetError for a machine without Linux's calls."""
    text = _text(target.triple, str(target.machine().target_data))
    return kept(lambda: emit_object(text, target), text, repr(target))


@cache
def host_pool() -> int:
    """The address of a pool in this process. It stays to the end: its threads never leave it."""
    target = Target.host()
    engine = llvm.create_lljit_compiler(target.machine())
    library = llvm.JITLibraryBuilder().add_object_img(pool_object(target)).add_current_process()
    tracker = library.export_symbol(POOL).link(engine, POOL)
    address = int(tracker[POOL])
    for owner in (tracker, engine):
        owner.detach()
    return address


def _text(triple: str, layout: str) -> str:
    system = _SYSTEMS.get(triple.partition("-")[0])
    if system is None or "linux" not in triple:
        raise TargetError(f"there is no thread pool for {triple}")
    return _TEXT.format(
        triple=triple, layout=layout, pool=POOL, pause=system.pause, declare=system.declare,
        getpid=system.getpid, sigprocmask=system.sigprocmask, futex=system.futex,
        futex_wait=_FUTEX_WAIT, futex_wake=_FUTEX_WAKE, everybody=2**31 - 1,
        active=_ACTIVE, waiting=_WAITING, closed=_CLOSED, blocked=_BLOCKED,
        last_waited=_ACTIVE | _WAITING, last_one=_WAITING | 1,
        idle_rounds=_IDLE_ROUNDS, wait_rounds=_WAIT_ROUNDS,
    )  # fmt: skip
