/*
 * Ranks by MPI. Sums are made here, in order of ranks: whatever the library, its algorithm and the network, all ranks have the same bits, and have
 * them again in the next run. A reduction that is scattered is an exchange of parts and a sum, which moves as much as a ring does.
 */
#define _GNU_SOURCE
#include <mpi.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "collective.h"
#include "vector.h"

static MPI_Comm world;
static int rank, ranks;
/* seconds that a rank waits for others within a step */
static double patience = 60;

#if defined(__linux__) && defined(SYS_pidfd_open) && defined(SYS_pidfd_getfd)
/* A word of a file of /proc, and whether it is there: `name` is followed by its value. */
static int proc_word(long pid, const char *file, const char *name, char end, char *value, size_t room) {
  char path[64], text[65536];
  snprintf(path, sizeof path, "/proc/%ld/%s", pid, file);
  FILE *f = fopen(path, "r");
  if (f == NULL) return 0;
  const size_t n = fread(text, 1, sizeof text - 1, f), long_name = strlen(name);
  fclose(f);
  text[n] = 0;
  for (size_t i = 0; i + long_name < n; i++)
    if ((i == 0 || text[i - 1] == end) && strncmp(text + i, name, long_name) == 0) {
      size_t k = 0;
      for (i += long_name; i < n && text[i] != end && k + 1 < room; i++) value[k++] = text[i];
      value[k] = 0;
      return 1;
    }
  return 0;
}

/*
 * MPICH's launcher hands its process a socket by number, PMI_FD. Node hands no such thing to the processes that it starts, and npx, npm and tsx
 * are of Node: it is fetched from the one that has it. 0: it cannot be had.
 */
static int fetch_socket(void) {
  const char *number = getenv("PMI_FD");
  if (number == NULL) return 1;
  char value[64];
  long first = getpid();
  for (long pid = first; pid > 1;) {
    if (!proc_word(pid, "environ", "PMI_FD=", 0, value, sizeof value) || strcmp(value, number) != 0) break;
    first = pid;
    if (!proc_word(pid, "status", "PPid:", '\n', value, sizeof value)) break;
    pid = atol(value);
  }
  if (first == getpid()) return 1;
  const int process = (int)syscall(SYS_pidfd_open, (pid_t)first, 0);
  if (process < 0) return 0;
  const int fd = (int)syscall(SYS_pidfd_getfd, process, atoi(number), 0);
  close(process);
  if (fd < 0) return 0;
  char text[16];
  snprintf(text, sizeof text, "%d", fd);
  setenv("PMI_FD", text, 1);
  return 1;
}
#else
static int fetch_socket(void) { return 1; }
#endif

/* 1: on; 0: the library takes no calls from threads that change; -1: the launcher's socket has not come through to here */
int32_t dg_join(void) {
  int on, level;
  if (!fetch_socket()) return -1;
  MPI_Initialized(&on);
  if (!on) MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &level);
  else MPI_Query_thread(&level);
  if (level != MPI_THREAD_SERIALIZED && level != MPI_THREAD_MULTIPLE) return 0;
  MPI_Comm_dup(MPI_COMM_WORLD, &world);
  MPI_Comm_rank(world, &rank);
  MPI_Comm_size(world, &ranks);
  return 1;
}

int32_t dg_rank(void) { return rank; }
int32_t dg_ranks(void) { return ranks; }
/* ranks of this machine */
int32_t dg_near(void) {
  MPI_Comm here;
  int n;
  MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &here);
  MPI_Comm_size(here, &n);
  MPI_Comm_free(&here);
  return n;
}
void dg_patience(double seconds) { patience = seconds; }
void dg_leave(void) {
  int over;
  MPI_Finalized(&over);
  if (!over) MPI_Finalize();
}
void dg_abort(int32_t code) { MPI_Abort(world, code); }
void dg_library(char *text) {
  int n;
  MPI_Get_library_version(text, &n);
}

/* Waits without keeping a core from others that compute; 0 where it takes longer than `seconds`. */
static int waited(MPI_Request *q, double seconds) {
  const double from = MPI_Wtime();
  for (long n = 0;; n++) {
    int done;
    MPI_Test(q, &done, MPI_STATUS_IGNORE);
    if (done) return 1;
    if (n < 200) continue;
    if (n < 2000) sched_yield();
    else usleep(n < 20000 ? 50 : 500);
    if (seconds > 0 && MPI_Wtime() - from > seconds) return 0;
  }
}

static void finish(MPI_Request *q) {
  if (waited(q, patience)) return;
  fprintf(stderr, "target fault at rank %d of %d\n  found:   another rank has not come within %g seconds\n  allowed: ranks that take the same steps at about the same time\n  remedy:  see what the other ranks are doing; go on with --resume\n", rank, ranks, patience);
  fflush(stderr);
  MPI_Abort(world, 1);
}

static char *room(int i, size_t bytes) {
  static char *rooms[2];
  static size_t sizes[2];
  if (bytes > sizes[i]) {
    free(rooms[i]);
    rooms[i] = malloc(bytes);
    sizes[i] = bytes;
    if (rooms[i] == NULL) {
      fprintf(stderr, "rank %d: no memory for %zu bytes that ranks exchange\n", rank, bytes);
      MPI_Abort(world, 1);
    }
  }
  return rooms[i];
}

static int is_half(int type) { return type == F16 || type == BF16; }
static size_t size_of(int type) { return type == BOOL ? 1 : is_half(type) ? 2 : 4; }
static MPI_Datatype mpi_of(int type) { return type == BOOL ? MPI_BYTE : is_half(type) ? MPI_SHORT : type == I32 ? MPI_INT : MPI_FLOAT; }

static void gather(const void *x, void *all, long n, int type) {
  MPI_Request q;
  MPI_Iallgather(x, (int)n, mpi_of(type), all, (int)n, mpi_of(type), world, &q);
  finish(&q);
}
static void exchange(const void *x, void *all, long n, int type) {
  MPI_Request q;
  MPI_Ialltoall(x, (int)n, mpi_of(type), all, (int)n, mpi_of(type), world, &q);
  finish(&q);
}

/* y = x0 op x1 op …, from addends that lie n elements apart */
static void reduce(const void *from, void *to, long n, int type, int max) {
#define EACH(T, SUM, WIDE, NARROW)                                            \
  {                                                                           \
    const T *x = from;                                                        \
    T *y = to;                                                                \
    for (long i = 0; i < n; i++) {                                            \
      SUM s = WIDE(x[i]);                                                     \
      for (int r = 1; r < ranks; r++) {                                       \
        const SUM v = WIDE(x[(long)r * n + i]);                               \
        s = max ? (v > s || v != v ? v : s) : s + v;                          \
      }                                                                       \
      y[i] = (T)NARROW(s);                                                    \
    }                                                                         \
  }
  if (type == I32) {
    if (max) EACH(int32_t, int32_t, SAME, SAME) else EACH(uint32_t, uint32_t, SAME, SAME)
  } else if (type == F16) EACH(uint16_t, float, s_half, s_tohalf)
  else if (type == BF16) EACH(uint16_t, float, s_wide, s_tow)
  else EACH(float, float, SAME, SAME)
}

/* Copies between a whole tensor and the part of rank r. */
static void move(const Collective *c, int r, char *whole, char *part, int cut) {
  const size_t size = size_of(c->type);
  long axis = 0;
  for (int j = 0; j < c->count; j++) axis += c->blocks[j];
  for (long p = 0; p < c->before; p++) {
    long start = 0;
    for (int j = 0; j < c->count; start += c->blocks[j++]) {
      const long share = c->blocks[j] / ranks;
      char *w = whole + size * (size_t)((p * axis + start + r * share) * c->after);
      char *q = part + size * (size_t)((p * (axis / ranks) + start / ranks) * c->after);
      if (cut) memcpy(q, w, size * (size_t)(share * c->after));
      else memcpy(w, q, size * (size_t)(share * c->after));
    }
  }
}

void dg_collective(const Collective *c, const void *x, void *y) {
  const size_t size = size_of(c->type);
  const long n = c->length;
  /* parts lie one after the other as they are */
  const int plain = c->before == 1 && c->count == 1;
  switch (c->kind) {
  case ALL_REDUCE_SUM:
  case ALL_REDUCE_MAX: {
    const int max = c->kind == ALL_REDUCE_MAX;
    if (n * ranks <= 4096) {
      char *all = room(0, size * (size_t)(n * ranks));
      gather(x, all, n, c->type);
      reduce(all, y, n, c->type, max);
      break;
    }
    const long m = (n + ranks - 1) / ranks;
    char *given = room(0, size * (size_t)(m * ranks)), *all = room(1, size * (size_t)(m * ranks));
    memcpy(given, x, size * (size_t)n);
    memset(given + size * (size_t)n, 0, size * (size_t)(m * ranks - n));
    exchange(given, all, m, c->type);
    reduce(all, given, m, c->type, max);
    gather(given, all, m, c->type);
    memcpy(y, all, size * (size_t)n);
    break;
  }
  case ALL_GATHER: {
    char *all = plain ? y : room(0, size * (size_t)(n * ranks));
    gather(x, all, n, c->type);
    if (!plain) for (int r = 0; r < ranks; r++) move(c, r, y, all + size * (size_t)(r * n), 0);
    break;
  }
  case REDUCE_SCATTER: {
    const long m = n / ranks;
    char *given = plain ? (char *)x : room(0, size * (size_t)n), *all = room(1, size * (size_t)n);
    if (!plain) for (int r = 0; r < ranks; r++) move(c, r, (char *)x, given + size * (size_t)(r * m), 1);
    exchange(given, all, m, c->type);
    reduce(all, y, m, c->type, 0);
    break;
  }
  case SHARD: move(c, rank, (char *)x, y, 1); break;
  case PLACE:
    memset(y, 0, size * (size_t)(n * ranks));
    move(c, rank, y, (char *)x, 0);
    break;
  default: memcpy(y, x, size * (size_t)n);
  }
}
int64_t dg_collective_address(void) { return (int64_t)(intptr_t)dg_collective; }

/* ---- of hosts: off the main thread ---- */

/* The bytes of all ranks, in order. */
void dg_gather(const void *x, void *all, int64_t n) {
  MPI_Request q;
  MPI_Iallgather(x, (int)n, MPI_BYTE, all, (int)n, MPI_BYTE, world, &q);
  finish(&q);
}

/* The largest of what all ranks bring; -1 where one has not come within some seconds (0: however long it takes), -2 where `same` is not the same on all. */
int32_t dg_meet(int32_t brought, int32_t same, double seconds) {
  MPI_Request q;
  static int32_t mine[3], most[3];
  mine[0] = brought;
  mine[1] = same;
  mine[2] = -same;
  MPI_Iallreduce(mine, most, 3, MPI_INT, MPI_MAX, world, &q);
  return !waited(&q, seconds) ? -1 : most[1] != -most[2] ? -2 : most[0];
}
