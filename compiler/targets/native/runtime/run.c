/*
 * Runs programs: a list of steps, each a kernel on its buffers, by a pool of threads that waits spinning for a while
 * and sleeping then. Parts are fixed by the number of threads, never by timing: the same result every time.
 */
#ifndef _GNU_SOURCE
# define _GNU_SOURCE
#endif
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
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

static Scratch scratches[MAX_THREADS];

Scratch *scratch_of(int t) { return &scratches[t]; }

float *scratch(Scratch *s, int i, long n) {
  if (s->n[i] < n) {
    free(s->p[i]);
    s->p[i] = aligned_alloc(64, (size_t)(n * 4 + 4096 + 63) / 64 * 64);
    s->n[i] = n;
  }
  return s->p[i];
}

/* ---- memory ---- */

/* Zeroed, at a cache line; large blocks in huge pages where the system gives them. */
void *dg_allocate(int64_t bytes) {
  size_t n = ((size_t)bytes + 63 + 64) / 64 * 64;
  void *p = aligned_alloc(n >= (1 << 21) ? 1 << 21 : 64, n >= (1 << 21) ? (n + (1 << 21) - 1) >> 21 << 21 : n);
  if (p == NULL) return NULL;
#ifdef MADV_HUGEPAGE
  if (n >= (1 << 21)) madvise(p, n, MADV_HUGEPAGE);
#endif
  memset(p, 0, n);
  return p;
}

void dg_free(void *p) { free(p); }

/* ---- threads ---- */

typedef struct { Kernel kernel; void *const *buffers; } Job;

static struct {
  int threads, made;
  Job job;
  int parts;
  atomic_long turn;
  atomic_int left, asleep;
  pthread_mutex_t lock;
  pthread_cond_t wake;
} pool = {.threads = 1, .made = 1, .lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static const Runtime runtime = {.product = dg_product, .pack = dg_pack};

static void *work(void *arg) {
  int t = (int)(intptr_t)arg;
  long seen = 0;
  for (;;) {
    for (int n = 0; atomic_load(&pool.turn) == seen; n++) {
      if (n < SPIN) { PAUSE(); continue; }
      pthread_mutex_lock(&pool.lock);
      atomic_fetch_add(&pool.asleep, 1);
      while (atomic_load(&pool.turn) == seen) pthread_cond_wait(&pool.wake, &pool.lock);
      atomic_fetch_sub(&pool.asleep, 1);
      pthread_mutex_unlock(&pool.lock);
    }
    seen = atomic_load(&pool.turn);
    if (t < pool.parts) pool.job.kernel(pool.job.buffers, t, pool.parts, &runtime);
    atomic_fetch_sub(&pool.left, 1);
  }
  return NULL;
}

/* Every worker takes part in every turn, so that none is late for the next. */
static void together(Job job, int parts) {
  if (parts > pool.made) parts = pool.made;
  if (parts <= 1) { job.kernel(job.buffers, 0, 1, &runtime); return; }
  pool.job = job;
  pool.parts = parts;
  atomic_store(&pool.left, pool.made - 1);
  atomic_fetch_add(&pool.turn, 1);
  if (atomic_load(&pool.asleep) > 0) {
    pthread_mutex_lock(&pool.lock);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
  }
  job.kernel(job.buffers, 0, parts, &runtime);
  while (atomic_load(&pool.left) > 0) PAUSE();
}

static void ensure(int threads) {
  if (threads > MAX_THREADS) threads = MAX_THREADS;
  for (; pool.made < threads; pool.made++) {
    pthread_t id;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 1 << 20);
    if (pthread_create(&id, &attr, work, (void *)(intptr_t)pool.made) != 0) return;
    pthread_detach(id);
  }
}

/* ---- programs ---- */

/* A step: the kernel (NULL copies `bytes` from the first buffer to the second), whether threads share it, its buffers. */
typedef struct { Kernel kernel; int64_t shared, bytes, buffers; } Step;

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
    else together((Job){s->kernel, buffers}, s->shared ? threads : 1);
    buffers += s->buffers;
    if (times != NULL) times[i] += seconds(threads) - start;
  }
  pthread_mutex_unlock(&running);
}
