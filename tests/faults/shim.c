/* Loaded before libc (LD_PRELOAD): sees every call by which a process changes or reads files below one folder.
 *
 * It can make the k-th call of a kind fail, and it can write down every change with its data, so that the state
 * a power cut would leave can be computed. What it does not watch passes through untouched. A process that is
 * not told to watch (`faults_watch`) is not disturbed. tests/faults/test_syscalls.py holds it against strace.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum kind { OPEN, READ, WRITE, SYNC, RENAME, TRUNCATE, UNLINK, MKDIR, MAP, KINDS };

static char root[PATH_MAX];
static size_t root_length;
static int log_file = -1;
static struct { int kind; long when; int error; int lasting; } plan = { -1, 0, 0, 0 };
static long seen[KINDS];
static long hits;
static __thread int resting;
static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = dlsym(RTLD_NEXT, #name); real; })

/* ---- what the tests call, through ctypes ---- */

void faults_watch(const char *folder, int log)
{
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    log_file = log;
}

/* The call number `when` of this kind fails with `error`; with `lasting`, all later ones of the kind too.
 * Error 0: a write takes only half of its bytes. */
void faults_plan(int kind, long when, int error, int lasting)
{
    memset(seen, 0, sizeof seen);
    hits = 0;
    plan.kind = kind; plan.when = when; plan.error = error; plan.lasting = lasting;
}

/* While this thread rests, what it does is not looked at: the harness reads files too. */
void faults_rest(int rest) { resting = rest; }

long faults_seen(int kind) { return seen[kind]; }
long faults_hits(void) { return hits; }

/* ---- the log: one header, one or two paths, the data ---- */

struct header { char what; char pad[7]; uint64_t inode; int64_t offset; int64_t length; uint32_t path, other; };

static void put(const void *data, size_t length)
{
    const char *at = data;
    while (length) {
        long done = syscall(SYS_write, log_file, at, length);
        if (done <= 0) _exit(99);
        at += done; length -= done;
    }
}

static void note(char what, uint64_t inode, int64_t offset, const void *data, int64_t length, const char *path,
                 const char *other)
{
    if (log_file < 0) return;
    struct header header = { what, {0}, inode, offset, length, path ? strlen(path) : 0, other ? strlen(other) : 0 };
    put(&header, sizeof header);
    put(path, header.path);
    put(other, header.other);
    if (data) put(data, length);
}

void faults_mark(const char *text)
{
    pthread_mutex_lock(&lock);
    note('!', 0, 0, NULL, 0, text, NULL);
    pthread_mutex_unlock(&lock);
}

/* ---- which files are watched ---- */

static int below(const char *path)
{
    return root_length && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static int path_of(int file, char *path)
{
    char link[64];
    if (!root_length || resting) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int absolute(int folder, const char *name, char *path)
{
    if (!root_length || resting) return 0;
    if (name[0] == '/') snprintf(path, PATH_MAX, "%s", name);
    else {
        char base[PATH_MAX - 256];
        if (folder == AT_FDCWD) { if (!getcwd(base, sizeof base)) return 0; }
        else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length < 0) return 0;
            base[length] = 0;
        }
        snprintf(path, PATH_MAX, "%s/%.250s", base, name);
    }
    return below(path);
}

static uint64_t inode_of(int file) { struct stat facts; return fstat(file, &facts) ? 0 : facts.st_ino; }
static uint64_t inode_at(const char *path) { struct stat facts; return lstat(path, &facts) ? 0 : facts.st_ino; }

/* Counts the call; true if it is to fail (errno is set) or, for a write with error 0, to be cut short. */
static int fails(enum kind kind)
{
    long number = ++seen[kind];
    if ((int)kind != plan.kind || (plan.lasting ? number < plan.when : number != plan.when)) return 0;
    hits++;
    if (plan.error) errno = plan.error;
    return 1;
}

#define HELD(type, body) ({ pthread_mutex_lock(&lock); type answer = (body); int kept = errno; \
                            pthread_mutex_unlock(&lock); errno = kept; answer; })

/* ---- opening ---- */

static int opened(int folder, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    int (*real)(int, const char *, int, ...) = REAL(openat);
    if (!absolute(folder, name, path)) return real(folder, name, flags, mode);
    if (fails(OPEN)) return -1;
    uint64_t before = inode_at(path);
    int file = real(folder, name, flags, mode);
    if (file < 0) return file;
    if (!before && (flags & O_CREAT)) note('c', inode_of(file), 0, NULL, 0, path, NULL);
    else if ((flags & O_TRUNC) && (flags & O_ACCMODE) != O_RDONLY) note('t', before, 0, NULL, 0, path, NULL);
    return file;
}

#define MODE ({ mode_t mode = 0; if (flags & (O_CREAT | __O_TMPFILE)) { va_list list; va_start(list, flags); \
                mode = va_arg(list, int); va_end(list); } mode; })

int open(const char *name, int flags, ...) { mode_t m = MODE; return HELD(int, opened(AT_FDCWD, name, flags, m)); }
int open64(const char *name, int flags, ...) { mode_t m = MODE; return HELD(int, opened(AT_FDCWD, name, flags, m)); }
int openat(int at, const char *name, int flags, ...) { mode_t m = MODE; return HELD(int, opened(at, name, flags, m)); }
int openat64(int at, const char *name, int flags, ...) { mode_t m = MODE; return HELD(int, opened(at, name, flags, m)); }

static ssize_t cookie_write(void *cookie, const char *data, size_t length)
{
    ssize_t done = write((int)(intptr_t)cookie, data, length);
    return done < 0 ? 0 : done;
}
static int cookie_close(void *cookie) { return close((int)(intptr_t)cookie); }

/* A stream opened for writing writes inside libc, unseen; so it gets our own write. */
static FILE *streamed(FILE *(*real)(const char *, const char *), const char *name, const char *mode)
{
    char path[PATH_MAX];
    if (!absolute(AT_FDCWD, name, path)) return real(name, mode);
    if (mode[0] != 'w') return fails(OPEN) ? NULL : real(name, mode);
    int file = opened(AT_FDCWD, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) return NULL;
    return fopencookie((void *)(intptr_t)file, mode, (cookie_io_functions_t){ NULL, cookie_write, NULL, cookie_close });
}

FILE *fopen(const char *name, const char *mode) { return HELD(FILE *, streamed(REAL(fopen), name, mode)); }
FILE *fopen64(const char *name, const char *mode) { return HELD(FILE *, streamed(REAL(fopen64), name, mode)); }

/* ---- reading and writing ---- */

ssize_t read(int file, void *data, size_t length)
{
    char path[PATH_MAX];
    if (path_of(file, path) && HELD(int, fails(READ))) return -1;
    return REAL(read)(file, data, length);
}

ssize_t pread64(int file, void *data, size_t length, off64_t offset)
{
    char path[PATH_MAX];
    if (path_of(file, path) && HELD(int, fails(READ))) return -1;
    return REAL(pread64)(file, data, length, offset);
}

ssize_t pread(int file, void *data, size_t length, off_t offset) { return pread64(file, data, length, offset); }

static ssize_t written(int file, const void *data, size_t length, off64_t offset)
{
    char path[PATH_MAX];
    int streaming = offset < 0;
    if (!path_of(file, path)) goto pass;
    if (fails(WRITE)) {
        if (plan.error) return -1;
        length = length / 2 ? length / 2 : length;
    }
    if (streaming) {
        int appending = fcntl(file, F_GETFL) & O_APPEND;
        offset = lseek64(file, 0, appending ? SEEK_END : SEEK_CUR);
    }
    ssize_t done = streaming ? REAL(write)(file, data, length) : REAL(pwrite64)(file, data, length, offset);
    if (done > 0) note('w', inode_of(file), offset, data, done, path, NULL);
    return done;
pass:
    return streaming ? REAL(write)(file, data, length) : REAL(pwrite64)(file, data, length, offset);
}

ssize_t write(int file, const void *data, size_t length)
{
    char path[PATH_MAX];
    if (!path_of(file, path)) return REAL(write)(file, data, length); /* pipes may block: not under the lock */
    return HELD(ssize_t, written(file, data, length, -1));
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t offset)
{
    return HELD(ssize_t, written(file, data, length, offset));
}
ssize_t pwrite(int file, const void *data, size_t length, off_t offset) { return pwrite64(file, data, length, offset); }

/* Copies inside the kernel are refused, so that callers fall back to reading and writing. */
ssize_t sendfile64(int out, int in, off64_t *offset, size_t length)
{
    char path[PATH_MAX];
    if (path_of(out, path)) { errno = EINVAL; return -1; }
    return REAL(sendfile64)(out, in, offset, length);
}
ssize_t sendfile(int out, int in, off_t *offset, size_t length) { return sendfile64(out, in, offset, length); }

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t length, unsigned flags)
{
    char path[PATH_MAX];
    if (path_of(out, path)) { errno = EINVAL; return -1; }
    return REAL(copy_file_range)(in, from, out, to, length, flags);
}

void *mmap64(void *address, size_t length, int protection, int flags, int file, off64_t offset)
{
    char path[PATH_MAX];
    if (file >= 0 && path_of(file, path) && HELD(int, fails(MAP))) return MAP_FAILED;
    return REAL(mmap64)(address, length, protection, flags, file, offset);
}
void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
    return mmap64(address, length, protection, flags, file, offset);
}

/* ---- syncing, cutting, naming ---- */

static int synced(int (*real)(int), int file)
{
    char path[PATH_MAX];
    struct stat facts;
    if (!path_of(file, path)) return real(file);
    if (fails(SYNC)) return -1;
    int done = real(file);
    if (!done && !fstat(file, &facts)) note(S_ISDIR(facts.st_mode) ? 'd' : 's', facts.st_ino, 0, NULL, 0, path, NULL);
    return done;
}

int fsync(int file) { return HELD(int, synced(REAL(fsync), file)); }
int fdatasync(int file) { return HELD(int, synced(REAL(fdatasync), file)); }

static int truncated(int file, off64_t length)
{
    char path[PATH_MAX];
    if (!path_of(file, path)) return REAL(ftruncate64)(file, length);
    if (fails(TRUNCATE)) return -1;
    int done = REAL(ftruncate64)(file, length);
    if (!done) note('t', inode_of(file), length, NULL, 0, path, NULL);
    return done;
}

int ftruncate64(int file, off64_t length) { return HELD(int, truncated(file, length)); }
int ftruncate(int file, off_t length) { return ftruncate64(file, length); }

static int renamed(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    char old[PATH_MAX], new[PATH_MAX];
    int watched = absolute(to_at, to, new) | absolute(from_at, from, old);
    if (watched && fails(RENAME)) return -1;
    uint64_t inode = watched ? inode_at(old) : 0;
    int done = REAL(renameat2)(from_at, from, to_at, to, flags);
    if (!done && watched) note('r', inode, 0, NULL, 0, old, new);
    return done;
}

int rename(const char *from, const char *to) { return HELD(int, renamed(AT_FDCWD, from, AT_FDCWD, to, 0)); }
int renameat(int a, const char *from, int b, const char *to) { return HELD(int, renamed(a, from, b, to, 0)); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
    return HELD(int, renamed(a, from, b, to, flags));
}

static int unlinked(int at, const char *name, int flags)
{
    char path[PATH_MAX];
    if (!absolute(at, name, path)) return REAL(unlinkat)(at, name, flags);
    if (fails(UNLINK)) return -1;
    int done = REAL(unlinkat)(at, name, flags);
    if (!done) note('u', 0, 0, NULL, 0, path, NULL);
    return done;
}

int unlink(const char *name) { return HELD(int, unlinked(AT_FDCWD, name, 0)); }
int unlinkat(int at, const char *name, int flags) { return HELD(int, unlinked(at, name, flags)); }
int rmdir(const char *name) { return HELD(int, unlinked(AT_FDCWD, name, AT_REMOVEDIR)); }

static int made(int at, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    if (!absolute(at, name, path)) return REAL(mkdirat)(at, name, mode);
    if (fails(MKDIR)) return -1;
    int done = REAL(mkdirat)(at, name, mode);
    if (!done) note('m', inode_at(path), 0, NULL, 0, path, NULL);
    return done;
}

int mkdir(const char *name, mode_t mode) { return HELD(int, made(AT_FDCWD, name, mode)); }
int mkdirat(int at, const char *name, mode_t mode) { return HELD(int, made(at, name, mode)); }
