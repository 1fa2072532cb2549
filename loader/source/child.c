/* Fork, limits, and a pipe that is read against the clock. */
#include "loader/source/child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif

#include "loader/core/clock.h"
#include "loader/core/limits.h"
#include "loader/core/memory.h"
#include "loader/core/write_all.h"

/* AddressSanitizer keeps terabytes of address space and makes calls of its own; its allocator may
 * be locked by another thread when a child is forked, and stays so in the child. */
#if defined(__SANITIZE_ADDRESS__)
#define WITH_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_SANITIZER 1
#endif
#endif
#ifndef WITH_SANITIZER
#define WITH_SANITIZER 0
#endif

enum {
    FAR = 64,                    /* above the descriptors that a child gets */
    YEAR = 365 * 24 * 3600,      /* seconds; nobody waits longer, and milliseconds are counted */
    CLOSED_ONE_BY_ONE = 65536    /* where the system cannot close a range */
};

/* -- In the child ---------------------------------------------------------------------- */

/* No error handling: what cannot be had ends the child, and the parent sees that. */
static void keep_descriptors(int file, int out)
{
    int null = open("/dev/null", O_RDWR);
    file = fcntl(file, F_DUPFD, FAR);
    out = fcntl(out, F_DUPFD, FAR);
    if (null < 0 || file < 0 || out < 0) _exit(120);
    for (int fd = 0; fd < 3; fd++) dup2(null, fd);
    if (dup2(file, CHILD_FILE) < 0 || dup2(out, CHILD_PIPE) < 0) _exit(120);
#ifdef SYS_close_range
    if (syscall(SYS_close_range, CHILD_PIPE + 1, ~0u, 0) == 0) return;
#endif
    for (int fd = CHILD_PIPE + 1; fd < CLOSED_ONE_BY_ONE; fd++) close(fd);
}

/* What the parent has mapped already, which counts against the child's address space: the first
 * number of statm, in pages. Called before the fork. */
static uint64_t address_space(void)
{
    char text[64];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (n <= 0) return 0;
    text[n] = '\0';
    return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Soft and hard limit alike, and no more than the hard one that is there. */
static struct rlimit lowered(struct rlimit now, uint64_t value)
{
    if (now.rlim_max == RLIM_INFINITY || now.rlim_max > value) now.rlim_max = (rlim_t)value;
    now.rlim_cur = now.rlim_max;
    return now;
}

/* No descriptor any more. A tracer may not let the hard limit be lowered; then the soft one must
 * do, and seccomp keeps it from being raised again. */
static bool close_the_door(void)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_NOFILE, &none) == 0) return true;
    if (getrlimit(RLIMIT_NOFILE, &none) != 0) return false;
    none.rlim_cur = 0;
    return setrlimit(RLIMIT_NOFILE, &none) == 0;
}

/* At its hard limit of time a process is killed; at the soft one alone it could go on. */
static void set_limits(uint64_t mapped, uint64_t seconds)
{
    const struct rlimit none = {0, 0};
    struct rlimit time, memory;
    uint64_t most;
    bool fine = setrlimit(RLIMIT_CORE, &none) == 0 && setrlimit(RLIMIT_FSIZE, &none) == 0 &&
                close_the_door() && getrlimit(RLIMIT_CPU, &time) == 0 &&
                getrlimit(RLIMIT_AS, &memory) == 0;
    if (!fine) _exit(121);
    time = lowered(time, seconds);
    if (setrlimit(RLIMIT_CPU, &time) != 0) _exit(121);
    if (WITH_SANITIZER || !sum_add(mapped, limit(LIMIT_CHILD_MEMORY), &most)) return;
    memory = lowered(memory, most);
    if (setrlimit(RLIMIT_AS, &memory) != 0) _exit(121);
}

#if defined(__linux__) && (defined(__x86_64__) || defined(__aarch64__))
#ifdef __x86_64__
#define OUR_ARCH AUDIT_ARCH_X86_64
#else
#define OUR_ARCH AUDIT_ARCH_AARCH64
#endif

/* What reading a file, answering and asking for memory take. mprotect is there for malloc's heaps,
 * which become writable piece by piece. */
static const int allowed_calls[] = {
    SYS_read, SYS_pread64, SYS_write, SYS_lseek, SYS_fstat, SYS_close, SYS_brk, SYS_mmap,
    SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_futex, SYS_rt_sigreturn,
    SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_clock_gettime, SYS_getrandom, SYS_getpid, SYS_gettid,
    SYS_sched_yield, SYS_restart_syscall, SYS_exit, SYS_exit_group,
#ifdef SYS_newfstatat
    SYS_newfstatat,
#endif
#ifdef SYS_gettimeofday
    SYS_gettimeofday,
#endif
#ifdef SYS_getrusage
    SYS_getrusage,
#endif
};

/* A filter is a program of the kernel's packet machine over the call's number: each allowed one
 * jumps to "allow", what is left gives EPERM. Calls of another architecture (32-bit ones on a
 * 64-bit system) have other numbers, and are refused first. */
static void confine(void)
{
    enum { COUNT = countof(allowed_calls), HEAD = 3 };
    struct sock_filter filter[HEAD + COUNT + 2] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 0, COUNT + 1),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    for (unsigned i = 0; i < COUNT; i++)
        filter[HEAD + i] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed_calls[i], (unsigned char)(COUNT - i), 0);
    filter[HEAD + COUNT] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    filter[HEAD + COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {.len = countof(filter), .filter = filter};
    /* A kernel without it leaves the limits, which hold everywhere. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
#else
static void confine(void)
{
}
#endif

void child_write(const void *bytes, size_t n)
{
    if (!write_all(CHILD_PIPE, bytes, n)) _exit(122);
}

/* _exit: nothing of the parent's is flushed or freed a second time. */
static _Noreturn void live(int file, int out, void (*run)(void *context), void *context,
                           uint64_t mapped, uint64_t seconds)
{
    keep_descriptors(file, out);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    set_limits(mapped, seconds);
    if (!WITH_SANITIZER) confine();
    run(context);
    _exit(0);
}

/* -- In the parent --------------------------------------------------------------------- */

bool child_beside(void)
{
    return !WITH_SANITIZER;
}

bool child_start(Child *child, int file, void (*run)(void *context), void *context,
                 uint64_t seconds, const char *what, Error *err)
{
    int ends[2];
    if (pipe(ends) != 0) return error_errno(err, "%s: cannot make a pipe", what);
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    uint64_t mapped = address_space();
    pid_t pid = fork();
    if (pid == 0) live(file, ends[1], run, context, mapped, seconds);
    close(ends[1]);
    if (pid < 0) {
        error_errno(err, "%s: cannot start a process to read it", what);
        close(ends[0]);
        return false;
    }
    int64_t given = seconds < YEAR ? (int64_t)seconds : YEAR;
    child->pid = pid;
    child->pipe = ends[0];
    child->what = what;
    child->seconds = seconds;
    atomic_init(&child->deadline, clock_ms() + given * 1000);
    return true;
}

void child_give_time(Child *child, int64_t milliseconds)
{
    atomic_fetch_add(&child->deadline, milliseconds);
}

bool child_read(Child *child, void *out, size_t room, size_t *got, Error *err)
{
    char more[LIMIT_TEXT];
    for (;;) {
        int64_t left = child->deadline - clock_ms();
        struct pollfd wait = {.fd = child->pipe, .events = POLLIN};
        int ready = left > 0 ? poll(&wait, 1, (int)(left < 1000000 ? left : 1000000)) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) return error_errno(err, "%s: cannot wait for its reader", child->what);
        if (ready == 0 && left > 0) continue;
        if (ready == 0)
            return error_set(err, ERR_LIMIT, "%s: reading it takes longer than %" PRIu64
                             " seconds; %s", child->what, child->seconds,
                             limit_text(LIMIT_CHILD_SECONDS, more));
        ssize_t n = read(child->pipe, out, room);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error_errno(err, "%s: cannot read from its reader", child->what);
        *got = (size_t)n;
        return true;
    }
}

int child_end(Child *child)
{
    int status = 0;
    close(child->pipe);
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, &status, 0) < 0)
        if (errno != EINTR) return 0;
    if (WIFSIGNALED(status)) return WTERMSIG(status);
    return WIFEXITED(status) ? -WEXITSTATUS(status) : 0;
}
