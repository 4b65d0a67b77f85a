/*
 * Runs programs: a list of steps, each a kernel on its buffers, by a pool of threads that waits spinning for a while
 * and sleeping then. A kernel is cut into parts, which threads claim one by one; what is computed does not depend on
 * who claims it, nor on how many parts there are: so results are the same for any number of threads.
 */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
# include <malloc.h>
#endif
#include "runtime.h"

/* turns of waiting before sleep: some tens of microseconds */
enum { SPIN = 4000 };

#if defined(__x86_64__)
# define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
# define PAUSE() __asm__ volatile("yield")
#else
# define PAUSE() (void)0
#endif

/* ---- memory ---- */

enum { HUGE_PAGE = 1 << 21 };

/* What is asked for, with room for a vector that is read past the end. */
static size_t padded(int64_t bytes, size_t unit) { return ((size_t)bytes + 64 + unit - 1) / unit * unit; }

static size_t page(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/*
 * Zeroed, at a cache line. Large blocks are the system's own, so that all of one is back when it is freed; in huge pages where
 * there are some. Pages are had from the system when they are first touched, which is by the threads that compute on them.
 */
void *dg_allocate(int64_t bytes) {
  if (bytes < HUGE_PAGE) {
    void *p;
    const size_t n = padded(bytes, 64);
    return posix_memalign(&p, 64, n) == 0 ? memset(p, 0, n) : NULL;
  }
  const size_t n = padded(bytes, page());
  char *own = mmap(NULL, n + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (own == MAP_FAILED) return NULL;
  const size_t before = -(uintptr_t)own % HUGE_PAGE;
  if (before > 0) munmap(own, before);
  munmap(own + before + n, HUGE_PAGE - before);
#ifdef MADV_HUGEPAGE
  madvise(own + before, n / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE);
#endif
  return own + before;
}

void dg_free(void *p, int64_t bytes) {
  if (bytes < HUGE_PAGE) free(p); else munmap(p, padded(bytes, page()));
}

/* Gives the system what lies free among the blocks of the process. */
void dg_trim(void) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

float *scratch(Scratch *s, int i, long n) {
  if (s->n[i] < n) {
    if (s->p[i] != NULL) dg_free(s->p[i], s->n[i] * 4);
    s->p[i] = dg_allocate(n * 4);
    s->n[i] = n;
  }
  return s->p[i];
}

/* ---- threads ---- */

/* one turn of waiting for another thread that is at work */
static void wait_turn(int turns) { if (turns < SPIN) PAUSE(); else nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL); }

typedef struct { Kernel kernel; void *const *buffers; int parts; } Job;

static struct {
  /* threads there are, and those of the present program */
  int made;
  atomic_int used;
  Job job;
  atomic_ulong generation;
  atomic_int done, here, asleep;
  /* tasks of the present job that are done */
  atomic_long finished;
  pthread_mutex_t lock, growing;
  pthread_cond_t wake;
} pool = {.made = 1, .used = 1, .lock = PTHREAD_MUTEX_INITIALIZER, .growing = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/*
 * What is a thread's own: parts of the job that it takes first (generation, end and the next part in one word: a claim of an old job fails), and
 * tasks of the present phase (phase and the next task in one word). It has the same share of every kernel, and so finds in its caches what it has
 * written before; who has no more takes from others.
 */
static struct { _Alignas(64) atomic_ulong parts, tasks; } own[MAX_THREADS];

static Runtime runtimes[MAX_THREADS];
static Scratch scratches[MAX_THREADS], commons;

/* Runs parts of the present job until none is left. */
static void take_parts(int thread) {
  for (int i = 0; i < pool.used; i++) {
    atomic_ulong *of = &own[(thread + i) % pool.used].parts;
    for (unsigned long w = atomic_load(of); (w & 0xffff) < (w >> 16 & 0xffff);) {
      if (!atomic_compare_exchange_weak(of, &w, w + 1)) continue;
      /* the job stays until this part is done */
      pool.job.kernel(pool.job.buffers, (int)(w & 0xffff), pool.job.parts, &runtimes[thread]);
      atomic_fetch_add(&pool.done, 1);
      w = atomic_load(of);
    }
  }
}

static void *work(void *arg) {
  int thread = (int)(intptr_t)arg;
  for (unsigned long seen = 0, now;; seen = now) {
    for (int n = 0; (now = atomic_load(&pool.generation)) == seen; n++) {
      if (n < SPIN) { PAUSE(); continue; }
      pthread_mutex_lock(&pool.lock);
      atomic_fetch_add(&pool.asleep, 1);
      while (atomic_load(&pool.generation) == seen) pthread_cond_wait(&pool.wake, &pool.lock);
      atomic_fetch_sub(&pool.asleep, 1);
      pthread_mutex_unlock(&pool.lock);
    }
    take_parts(thread);
  }
  return NULL;
}

/* A thread that comes late finds nothing left and delays nobody. There may be more parts than threads, and each part's tasks are begun by somebody. */
static void together(Job job) {
  if (job.parts > MAX_THREADS) job.parts = MAX_THREADS;
  if (pool.used == 1 || job.parts <= 1) { job.kernel(job.buffers, 0, 1, &runtimes[0]); return; }
  pool.job = job;
  atomic_store(&pool.done, 0);
  atomic_store(&pool.here, 0);
  atomic_store(&pool.finished, 0);
  unsigned long generation = atomic_load(&pool.generation) + 1;
  for (int t = 0; t < job.parts; t++) atomic_store(&own[t].tasks, 0);
  for (int t = 0; t < pool.used; t++)
    atomic_store(&own[t].parts, generation << 32 | (unsigned long)share(job.parts, t + 1, pool.used, 1) << 16 | (unsigned long)share(job.parts, t, pool.used, 1));
  atomic_store(&pool.generation, generation);
  if (atomic_load(&pool.asleep) > 0) {
    pthread_mutex_lock(&pool.lock);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
  }
  take_parts(0);
  for (int n = 0; atomic_load(&pool.done) < job.parts; n++) wait_turn(n);
}

/* ---- what parts of a job share ---- */

/* room for the sums that they leave for each other */
enum { SHARED = 32768 };
static float shared[SHARED] __attribute__((aligned(64)));

static int last(int T) { return T == 1 || atomic_fetch_add(&pool.here, 1) == T - 1; }

float *common(int i, long n) {
  pthread_mutex_lock(&pool.growing);
  float *p = scratch(&commons, i, n);
  pthread_mutex_unlock(&pool.growing);
  return p;
}

/* A task of the present phase, or -1 where all are claimed. */
static long claim(const Team *w) {
  for (int i = 0; i < w->T; i++) {
    const int u = (w->part + i) % w->T;
    atomic_ulong *of = &own[u].tasks;
    for (unsigned long v = atomic_load(of);;) {
      /* somebody is in a later phase: all tasks of this one are done */
      if (v >> 32 > w->phase) return -1;
      const long at = v >> 32 == w->phase ? (long)(v & 0xffffffff) : share(w->tasks, u, w->T, 1);
      if (at >= share(w->tasks, u + 1, w->T, 1)) break;
      if (atomic_compare_exchange_weak(of, &v, w->phase << 32 | (unsigned long)(at + 1))) return at;
    }
  }
  return -1;
}

long begin(Team *w, long n) {
  w->before += w->tasks;
  w->tasks = n;
  w->phase++;
  if (w->T == 1) return (w->at = 0) < n ? 0 : -1;
  long task = claim(w);
  if (task >= 0) for (int i = 0; atomic_load(&pool.finished) < w->before; i++) wait_turn(i);
  return task;
}

long next(Team *w) {
  if (w->T == 1) return ++w->at < w->tasks ? w->at : -1;
  atomic_fetch_add(&pool.finished, 1);
  return claim(w);
}

/* A library whose threads sleep in its memory must stay, even when nobody refers to it any more: it refers to itself. */
static void stay(void) {
  Dl_info own;
  if (dladdr((void *)&pool, &own) != 0) (void)dlopen(own.dli_fname, RTLD_NOW);
}

/* How this process speaks to other ranks, where there are any. */
static void (*speaks)(const Collective *c, const void *x, void *y);

void dg_speak(int64_t collective) { speaks = (void (*)(const Collective *, const void *, void *))(intptr_t)collective; }

static void ensure(int threads) {
  if (pool.made == 1 && threads > 1) stay();
  if (threads > MAX_THREADS) threads = MAX_THREADS;
  for (int t = 0; t < threads; t++) runtimes[t] = (Runtime){.product = dg_product, .attention = dg_attention, .attention_back = dg_attention_back, .scratch = &scratches[t], .shared = shared, .last = last, .collective = speaks};
  for (; pool.made < threads; pool.made++) {
    pthread_t id;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 1 << 20);
    if (pthread_create(&id, &attr, work, (void *)(intptr_t)pool.made) != 0) break;
    pthread_detach(id);
  }
  pool.used = threads < pool.made ? threads : pool.made;
}

/* ---- programs ---- */

/* A step: the kernel (NULL copies `bytes` from the first buffer to the second), its parts, how many buffers it has. */
typedef struct { Kernel kernel; int64_t parts, bytes, buffers; } Step;

static pthread_mutex_t running = PTHREAD_MUTEX_INITIALIZER;

/* With one thread its own time, which other programs do not disturb. */
static double seconds(int threads) {
  struct timespec t;
  clock_gettime(threads > 1 ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Runs all steps; `buffers` are the steps' buffers one after the other. Where `times` is given, adds each step's seconds. */
void dg_run(const Step *steps, int64_t n, void *const *buffers, int32_t threads, double *times) {
  pthread_mutex_lock(&running);
  ensure(threads);
  for (int64_t i = 0; i < n; i++) {
    const Step *s = &steps[i];
    double start = times == NULL ? 0 : seconds(threads);
    if (s->kernel == NULL) memcpy(buffers[1], buffers[0], (size_t)s->bytes);
    else together((Job){s->kernel, buffers, threads > 1 ? (int)s->parts : 1});
    buffers += s->buffers;
    if (times != NULL) times[i] += seconds(threads) - start;
  }
  pthread_mutex_unlock(&running);
}
