/*
 * A disk that fails, waits, or is written down: loaded before the C library (LD_PRELOAD), it stands between a program and the files
 * below one folder. The environment says what it does:
 *
 *   DISK_UNDER    the folder, absolute; files elsewhere are left alone
 *   DISK_FULL     PART:BYTES  files whose path has PART can take so many bytes together, then ENOSPC; a write across the end is cut short
 *   DISK_FOLDERS  1           folders cannot be forced to the disk: EINVAL, as some network file systems say
 *   DISK_SLOW     N           every call takes N microseconds more
 *   DISK_CLOCK    N           the time of day runs backwards, from N seconds ago
 *   DISK_LOG      a file that every change is written into, in order, for crash.ts
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FILES 4096

struct file {
  int handle; /* counted from 1; 0 where the file is none of ours */
  int append;
  char path[1024];
};

static struct file files[FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int handles;
static int log_fd = -1;
static long full_left = -1;
static char full_part[256];
static long slow;
static int no_folders;
static long long backwards = -1;
static char under[1024];
static size_t under_length;

/* Written past everything of ours. */
static void put(const void *bytes, size_t n) {
  const char *at = bytes;
  while (n > 0) {
    long done = syscall(SYS_write, log_fd, at, n);
    if (done <= 0) _exit(99);
    at += done;
    n -= (size_t)done;
  }
}

static void note(const char *format, ...) {
  if (log_fd < 0) return;
  char line[4096];
  va_list rest;
  va_start(rest, format);
  int n = vsnprintf(line, sizeof line, format, rest);
  va_end(rest);
  put(line, (size_t)n);
}

__attribute__((constructor)) static void begin(void) {
  const char *text = getenv("DISK_UNDER");
  if (text != NULL) under_length = (size_t)snprintf(under, sizeof under, "%s", text);
  text = getenv("DISK_FULL");
  const char *colon = text == NULL ? NULL : strrchr(text, ':');
  if (colon != NULL) {
    snprintf(full_part, sizeof full_part, "%.*s", (int)(colon - text), text);
    full_left = atol(colon + 1);
  }
  text = getenv("DISK_SLOW");
  slow = text == NULL ? 0 : atol(text);
  no_folders = getenv("DISK_FOLDERS") != NULL;
  text = getenv("DISK_CLOCK");
  if (text != NULL) backwards = atoll(text);
  text = getenv("DISK_LOG");
  if (text != NULL) log_fd = (int)syscall(SYS_openat, AT_FDCWD, text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void enter(void) {
  if (slow > 0) {
    struct timespec t = {slow / 1000000, slow % 1000000 * 1000};
    nanosleep(&t, NULL);
  }
  pthread_mutex_lock(&lock);
}

static void leave(void) {
  int e = errno;
  pthread_mutex_unlock(&lock);
  errno = e;
}

/* A path of ours, made absolute; 0 for one that is elsewhere. */
static int ours(const char *path, char *out, size_t room) {
  if (under_length == 0 || path == NULL) return 0;
  char here[512] = "";
  if (path[0] != '/' && getcwd(here, sizeof here) == NULL) return 0;
  if (here[0] != 0)
    snprintf(out, room, "%s/%s", here, path);
  else
    snprintf(out, room, "%s", path);
  return strncmp(out, under, under_length) == 0 && (out[under_length] == '/' || out[under_length] == 0);
}

static struct file *file_of(int fd) { return fd >= 0 && fd < FILES && files[fd].handle != 0 ? &files[fd] : NULL; }

/* The function that stands behind ours. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int opened(int at, const char *path, int flags, mode_t mode) {
  char whole[1024];
  if (at != AT_FDCWD && path[0] != '/') return (int)REAL(openat64)(at, path, flags, mode);
  if (!ours(path, whole, sizeof whole)) {
    int fd = REAL(openat64)(AT_FDCWD, path, flags, mode);
    if (fd >= 0 && fd < FILES) files[fd].handle = 0;
    return fd;
  }
  enter();
  int fd = REAL(openat64)(AT_FDCWD, path, flags, mode);
  if (fd >= 0 && fd < FILES) {
    struct file *f = &files[fd];
    f->handle = ++handles;
    f->append = (flags & O_APPEND) != 0;
    snprintf(f->path, sizeof f->path, "%s", whole);
    note("O %d %d %s\n", f->handle, (flags & O_TRUNC) != 0, whole);
  }
  leave();
  return fd;
}

#define MODE(flags)                                                                                                                      \
  mode_t mode = 0;                                                                                                                       \
  if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                                                 \
    va_list rest;                                                                                                                        \
    va_start(rest, flags);                                                                                                               \
    mode = va_arg(rest, mode_t);                                                                                                         \
    va_end(rest);                                                                                                                        \
  }

int open(const char *path, int flags, ...) {
  MODE(flags)
  return opened(AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  MODE(flags)
  return opened(AT_FDCWD, path, flags, mode);
}
int openat(int at, const char *path, int flags, ...) {
  MODE(flags)
  return opened(at, path, flags, mode);
}
int openat64(int at, const char *path, int flags, ...) {
  MODE(flags)
  return opened(at, path, flags, mode);
}

int close(int fd) {
  if (fd >= 0 && fd < FILES) files[fd].handle = 0;
  return REAL(close)(fd);
}

/* Bytes that a file may take of n; -1 where there is no room. */
static ssize_t room_for(struct file *f, size_t n) {
  if (full_left < 0 || strstr(f->path, full_part) == NULL) return (ssize_t)n;
  if (n > 0 && full_left == 0) {
    errno = ENOSPC;
    return -1;
  }
  ssize_t may = (long)n < full_left ? (ssize_t)n : full_left;
  full_left -= may;
  return may;
}

/* Writes at an offset, or where the file stands: -1. */
static ssize_t wrote(int fd, struct file *f, const void *bytes, size_t n, off64_t at) {
  enter();
  ssize_t may = room_for(f, n);
  ssize_t done = -1;
  if (may >= 0) {
    off64_t offset = at;
    if (offset < 0) offset = f->append ? lseek64(fd, 0, SEEK_END) : lseek64(fd, 0, SEEK_CUR);
    done = at < 0 ? REAL(write)(fd, bytes, (size_t)may) : REAL(pwrite64)(fd, bytes, (size_t)may, at);
    if (done > 0 && log_fd >= 0) {
      note("W %d %lld %zd\n", f->handle, (long long)offset, done);
      put(bytes, (size_t)done);
    }
  }
  leave();
  return done;
}

static ssize_t wrote_all(int fd, struct file *f, const struct iovec *parts, int count, off64_t at) {
  ssize_t sum = 0;
  for (int i = 0; i < count; i++) {
    ssize_t n = wrote(fd, f, parts[i].iov_base, parts[i].iov_len, at < 0 ? -1 : at + sum);
    if (n < 0) return sum > 0 ? sum : -1;
    sum += n;
    if ((size_t)n < parts[i].iov_len) break;
  }
  return sum;
}

ssize_t write(int fd, const void *bytes, size_t n) {
  struct file *f = file_of(fd);
  if (f != NULL) return wrote(fd, f, bytes, n, -1);
  ssize_t done = REAL(write)(fd, bytes, n);
  if (fd == 1 && done > 0 && log_fd >= 0) {
    pthread_mutex_lock(&lock);
    note("P %zd\n", done);
    put(bytes, (size_t)done);
    leave();
  }
  return done;
}
ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
  struct file *f = file_of(fd);
  return f != NULL ? wrote(fd, f, bytes, n, at) : REAL(pwrite)(fd, bytes, n, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) {
  struct file *f = file_of(fd);
  return f != NULL ? wrote(fd, f, bytes, n, at) : REAL(pwrite64)(fd, bytes, n, at);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
  struct file *f = file_of(fd);
  return f != NULL ? wrote_all(fd, f, parts, count, -1) : REAL(writev)(fd, parts, count);
}
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) {
  struct file *f = file_of(fd);
  return f != NULL ? wrote_all(fd, f, parts, count, at) : REAL(pwritev)(fd, parts, count, at);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) {
  struct file *f = file_of(fd);
  return f != NULL ? wrote_all(fd, f, parts, count, at) : REAL(pwritev64)(fd, parts, count, at);
}

static int forced(int fd, int (*real)(int)) {
  struct file *f = file_of(fd);
  if (f == NULL) return real(fd);
  enter();
  struct stat64 s;
  int done = -1;
  if (no_folders && fstat64(fd, &s) == 0 && S_ISDIR(s.st_mode))
    errno = EINVAL;
  else
    done = real(fd);
  if (done == 0) note("S %d\n", f->handle);
  leave();
  return done;
}
int fsync(int fd) { return forced(fd, REAL(fsync)); }
int fdatasync(int fd) { return forced(fd, REAL(fdatasync)); }

static int cut(int fd, off64_t length) {
  struct file *f = file_of(fd);
  if (f == NULL) return REAL(ftruncate64)(fd, length);
  enter();
  int done = REAL(ftruncate64)(fd, length);
  if (done == 0) note("T %d %lld\n", f->handle, (long long)length);
  leave();
  return done;
}
int ftruncate(int fd, off_t length) { return cut(fd, length); }
int ftruncate64(int fd, off64_t length) { return cut(fd, length); }

/* A change of names: its letter, and the paths that it is of. */
#define NAMED(letter, path, call)                                                                                                        \
  char whole[1024];                                                                                                                      \
  if (!ours(path, whole, sizeof whole)) return call;                                                                                     \
  enter();                                                                                                                               \
  int done = call;                                                                                                                       \
  if (done == 0) note("%c %s\n", letter, whole);                                                                                         \
  leave();                                                                                                                               \
  return done;

#define RENAMED(letter, from, to, call)                                                                                                  \
  char a[1024], b[1024];                                                                                                                 \
  if (!ours(from, a, sizeof a) || !ours(to, b, sizeof b)) return call;                                                                   \
  enter();                                                                                                                               \
  int done = call;                                                                                                                       \
  if (done == 0) note("%c %s\t%s\n", letter, a, b);                                                                                      \
  leave();                                                                                                                               \
  return done;

int rename(const char *from, const char *to) { RENAMED('R', from, to, REAL(rename)(from, to)) }
int link(const char *from, const char *to) { RENAMED('L', from, to, REAL(link)(from, to)) }
int unlink(const char *path) { NAMED('U', path, REAL(unlink)(path)) }
int rmdir(const char *path) { NAMED('U', path, REAL(rmdir)(path)) }
int mkdir(const char *path, mode_t mode) { NAMED('M', path, REAL(mkdir)(path, mode)) }

/* What the clock has gone forward since the first look, it goes back. */
static long long first_seen = -1;

static void turned(time_t *seconds, long *fraction, long scale) {
  if (backwards < 0) return;
  long long now = (long long)*seconds * scale + *fraction;
  if (first_seen < 0) first_seen = (long long)*seconds;
  long long then = (2 * first_seen - backwards) * scale - now;
  *seconds = (time_t)(then / scale);
  *fraction = (long)(then % scale);
}

int gettimeofday(struct timeval *restrict t, void *restrict zone) {
  int done = REAL(gettimeofday)(t, zone);
  if (done == 0) {
    long micro = t->tv_usec;
    turned(&t->tv_sec, &micro, 1000000);
    t->tv_usec = micro;
  }
  return done;
}
int clock_gettime(clockid_t which, struct timespec *t) {
  int done = REAL(clock_gettime)(which, t);
  if (done == 0 && which == CLOCK_REALTIME) turned(&t->tv_sec, &t->tv_nsec, 1000000000);
  return done;
}
time_t time(time_t *out) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  if (out != NULL) *out = t.tv_sec;
  return t.tv_sec;
}
