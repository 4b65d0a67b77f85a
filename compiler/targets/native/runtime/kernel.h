/* What generated kernels and the runtime know of each other. Memory and threads are the runtime's. */
#pragma once
#include "arithmetic.h"
#include "collective.h"

/* The block of a product that is held in registers: MR rows of NR = NV vectors. */
#if VW == 8
# define MR 6
#else
# define MR 12
#endif
#define NV 2
#define NR (NV * VW)

typedef struct Runtime Runtime;
typedef struct Scratch Scratch;

/* A kernel runs part t of T; b are its buffers: those that it reads, then those that it writes. */
typedef void (*Kernel)(void *const *b, int t, int T, const Runtime *rt);

/* A position that counts through nested axes, outermost first, and the offset that it stands for. */
typedef struct { int levels; long extent[4], stride[4]; } Axes;

/* Packs rows from .. from + count of an operand, k in k0 .. k0 + kc: panels of `width` (MR or NR) rows, k-major, padded with zeros. */
typedef void (*Pack)(void *const *b, long z, long from, long count, long k0, long kc, long width, float *panels);

/* One side of a product: memory at affine offsets, matrix z at at(b, z), or else what `pack` computes. */
typedef struct {
  const float *(*at)(void *const *b, long z);
  Axes rows, ks;
  Pack pack;
} Operand;

/* C[z, m, n] = sum over k of A[z, m, k] B[z, n, k]; `store` takes finished sums to where they belong. */
typedef struct {
  long batch, m, n, k;
  Operand a, b;
  void (*store)(void *const *b, long z, const float *sums, long ld, long m0, long mr, long n0, long nr);
  /* rows are stored whole: all columns, at most NC, at once */
  int whole;
  /* where a result with its columns side by side lies; at is NULL where there is none */
  Operand result;
} Product;

/* Where a tensor [images, tokens, heads, width] lies: the strides of its axes. */
typedef struct { long image, token, head, column; } Place;

/* Attention with scores scale q k. `rows` are log-sum-exps, one for each token and head; of the gradient `three`, dk and dv lie `part` and 2 `part` behind dq. */
typedef struct {
  long images, tokens, heads, width;
  float scale;
  Place q, k, v, y, g, rows, three;
  long part;
} Attention;

/* What a thread hands to a kernel. */
struct Runtime {
  /* runs part t of T of a product */
  void (*product)(const Product *p, void *const *b, int t, int T, const Runtime *rt);
  /* runs part t of T of attention, or of its gradient; what is NULL is not asked for */
  void (*attention)(const Attention *a, const float *q, const float *k, const float *v, float *y, float *rows, int t, int T, const Runtime *rt);
  void (*attention_back)(const Attention *a, const float *q, const float *k, const float *v, const float *rows, const float *y, const float *g, float *three, int t, int T, const Runtime *rt);
  Scratch *scratch;
  /* what the parts of one kernel leave for each other, and whether the caller is the last of T parts to be here */
  float *shared;
  int (*last)(int T);
  /* what all ranks do together; NULL on a target of one */
  void (*collective)(const Collective *c, const void *x, void *y);
};

/* The first of n units that part t of T has, at a multiple of `grain`. */
INLINE long share(long n, int t, int T, long grain) {
  if (t >= T) return n;
  long units = (n + grain - 1) / grain;
  return units * t / T * grain;
}
