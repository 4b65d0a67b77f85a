/* The runtime's own parts: memory of threads, and how those of one kernel share its work. */
#pragma once
#include "kernel.h"

enum { MAX_THREADS = 256, SCRATCHES = 4 };

struct Scratch { float *p[SCRATCHES]; long n[SCRATCHES]; };

/* scratch i of a thread with room for n floats; what was in it is lost when it grows */
float *scratch(Scratch *s, int i, long n);

/* the same, of all threads of a kernel together: whoever asks first makes it, and all ask for the same */
float *common(int i, long n);

/*
 * Work in phases of tasks, which the parts of one kernel claim one by one, each its own share first; a phase begins when the tasks of all before it
 * are done. A part that comes late finds nothing left and delays nobody. Every part goes through the same phases:
 *
 *   Team team = {.T = T, .part = t};
 *   for (long i = begin(&team, n); i >= 0; i = next(&team)) …task i of n…
 */
typedef struct { int T, part; unsigned long phase; long tasks, before, at; } Team;

long begin(Team *w, long n);
long next(Team *w);

void dg_product(const Product *p, void *const *b, int t, int T, const Runtime *rt);
/* where position i of nested axes lies */
static inline long offset(const Axes *x, long i) {
  long o = 0;
  for (int l = x->levels - 1; l > 0; l--) { o += i % x->extent[l] * x->stride[l]; i /= x->extent[l]; }
  return x->levels == 0 ? 0 : o + i * x->stride[0];
}

/* an operand's panels */
enum { KC = 1088 };
void dg_pack(const Operand *o, void *const *b, long z, long from, long count, long k0, long kc, long width, float *panels);
void dg_attention(const Attention *a, const float *q, const float *k, const float *v, float *y, float *rows, int t, int T, const Runtime *rt);
void dg_attention_back(const Attention *a, const float *q, const float *k, const float *v, const float *rows, const float *y, const float *g, float *three, int t, int T, const Runtime *rt);
