/*
 * What processes of one client tell each other while it is made and while it communicates: the key-value callbacks of PJRT_Client_Create (openxla/xla,
 * xla/pjrt/c/pjrt_c_api.h), answered through a folder that all of them see. A plugin calls them from threads of its own, several at once, and one may wait
 * for what another puts: so they are C, and no thread of JavaScript's is waited for.
 *
 * A key is a file, called by a hash of the key: the key's length, the key, the value. It appears whole: written aside, forced to the disk, linked.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* PJRT_Error_Code, which are those of absl */
enum { DEADLINE_EXCEEDED = 4, NOT_FOUND = 5, ALREADY_EXISTS = 6, INTERNAL = 13 };

/* makes an error of the plugin's own: PJRT_CallbackError */
typedef void *(*Failure)(int code, const char *message, size_t size);

typedef struct { size_t size; void *extension; const char *key; size_t key_size; int milliseconds; Failure *failure; void *folder; char *value; size_t value_size; void (*release)(char *); } Get;
typedef struct { size_t size; void *extension; const char *key; size_t key_size; Failure *failure; void *folder; char *value; size_t value_size; void (*release)(char *); } TryGet;
typedef struct { size_t size; void *extension; const char *key; size_t key_size; const char *value; size_t value_size; Failure *failure; void *folder; } Put;

/* of a file beside the folder's name: two hashes of 16 digits, and what is put before and behind them */
enum { NAME = 4200 };

static uint64_t hash(const char *s, size_t n, uint64_t h) {
  for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * UINT64_C(0x100000001b3);
  return h;
}

static void name_of(char *name, const char *folder, const char *key, size_t size) {
  snprintf(name, NAME, "%s/%016llx%016llx", folder, (unsigned long long)hash(key, size, UINT64_C(0xcbf29ce484222325)), (unsigned long long)hash(key, size, UINT64_C(0x9ae16a3b2f90404f)));
}

static void *failed(Failure *failure, int code, const char *doing, const char *key, size_t size, const char *why) {
  char text[512];
  const int n = snprintf(text, sizeof text, "%s %.*s in the shared folder: %s", doing, (int)(size < 200 ? size : 200), key, why);
  return (*failure)(code, text, (size_t)(n < (int)sizeof text ? n : (int)sizeof text - 1));
}

static void release(char *value) { free(value); }

/* 1: read; 0: not there; -1: what the system refuses, in errno */
static int read_value(const char *folder, const char *key, size_t key_size, char **value, size_t *value_size) {
  char name[NAME];
  name_of(name, folder, key, key_size);
  const int fd = open(name, O_RDONLY | O_CLOEXEC);
  /* on a disk of a network a name may go stale for a moment */
  if (fd < 0) return errno == ENOENT || errno == ESTALE ? 0 : -1;
  struct stat s;
  uint64_t n = 0;
  char *all = NULL;
  int ok = fstat(fd, &s) == 0 && s.st_size >= (off_t)sizeof n && (all = malloc((size_t)s.st_size)) != NULL;
  for (off_t at = 0; ok && at < s.st_size;) {
    const ssize_t got = read(fd, all + at, (size_t)(s.st_size - at));
    if (got > 0) at += got;
    else if (got == 0 || errno != EINTR) ok = 0;
  }
  close(fd);
  if (ok) memcpy(&n, all, sizeof n);
  const size_t before = sizeof n + (size_t)n;
  if (!ok || n != key_size || before > (size_t)s.st_size || memcmp(all + sizeof n, key, key_size) != 0) {
    free(all);
    if (ok) errno = EINVAL;
    return -1;
  }
  *value_size = (size_t)s.st_size - before;
  memmove(all, all + before, *value_size);
  *value = all;
  return 1;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void *dg_kv_get(Get *a) {
  const double end = now() + 1e-3 * a->milliseconds;
  for (useconds_t pause = 1000;; pause = pause < 50000 ? 2 * pause : 50000) {
    const int found = read_value(a->folder, a->key, a->key_size, &a->value, &a->value_size);
    if (found < 0) return failed(a->failure, INTERNAL, "reading", a->key, a->key_size, strerror(errno));
    if (found == 1) break;
    if (now() >= end) return failed(a->failure, DEADLINE_EXCEEDED, "waiting for", a->key, a->key_size, "no other process has put it there in time");
    usleep(pause);
  }
  a->release = release;
  return NULL;
}

void *dg_kv_try_get(TryGet *a) {
  const int found = read_value(a->folder, a->key, a->key_size, &a->value, &a->value_size);
  if (found < 0) return failed(a->failure, INTERNAL, "reading", a->key, a->key_size, strerror(errno));
  if (found == 0) return failed(a->failure, NOT_FOUND, "looking for", a->key, a->key_size, "it is not there");
  a->release = release;
  return NULL;
}

static int write_all(int fd, const void *bytes, size_t n) {
  for (size_t at = 0; at < n;) {
    const ssize_t put = write(fd, (const char *)bytes + at, n - at);
    if (put >= 0) at += (size_t)put;
    else if (errno != EINTR) return 0;
  }
  return 1;
}

void *dg_kv_put(Put *a) {
  static atomic_int count;
  char name[NAME], own[NAME + 300], host[200] = "";
  name_of(name, a->folder, a->key, a->key_size);
  gethostname(host, sizeof host - 1);
  /* of this call alone: processes of several machines may have one number */
  snprintf(own, sizeof own, "%s.%s.%d.%d", name, host, (int)getpid(), atomic_fetch_add(&count, 1));
  const uint64_t n = a->key_size;
  const int fd = open(own, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  int ok = fd >= 0 && write_all(fd, &n, sizeof n) && write_all(fd, a->key, a->key_size) && write_all(fd, a->value, a->value_size) && fsync(fd) == 0;
  int why = errno;
  if (fd >= 0 && close(fd) != 0 && ok) ok = 0, why = errno;
  if (ok && link(own, name) != 0) {
    ok = 0, why = errno;
    /* file systems without links: here the second of two who put one key takes the place of the first */
    if ((why == EPERM || why == ENOSYS || why == EOPNOTSUPP) && access(name, F_OK) != 0) ok = rename(own, name) == 0;
  }
  if (fd >= 0) unlink(own);
  return ok ? NULL : failed(a->failure, why == EEXIST ? ALREADY_EXISTS : INTERNAL, "putting", a->key, a->key_size, why == EEXIST ? "another value is there" : strerror(why));
}

/* What PJRT_Client_Create is given beside the folder: get, put, try_get. */
void dg_kv_addresses(int64_t *three) {
  three[0] = (int64_t)(intptr_t)dg_kv_get;
  three[1] = (int64_t)(intptr_t)dg_kv_put;
  three[2] = (int64_t)(intptr_t)dg_kv_try_get;
}
