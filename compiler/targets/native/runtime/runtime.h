/* The runtime's own parts: scratch memory of each thread. */
#pragma once
#include "kernel.h"

enum { MAX_THREADS = 256, SCRATCHES = 4 };

struct Scratch { float *p[SCRATCHES]; long n[SCRATCHES]; };

/* scratch i of a thread with room for n floats; what was in it is lost when it grows */
float *scratch(Scratch *s, int i, long n);

void dg_product(const Product *p, void *const *b, int t, int T, const Runtime *rt);
void dg_pack(const float *p, const Axes *rows, const Axes *ks, long from, long count, long k0, long kc, long width, float *panels);
void dg_attention(const Attention *a, const float *q, const float *k, const float *v, float *y, float *rows, int t, int T, const Runtime *rt);
void dg_attention_back(const Attention *a, const float *q, const float *k, const float *v, const float *rows, const float *y, const float *g, float *three, int t, int T, const Runtime *rt);
