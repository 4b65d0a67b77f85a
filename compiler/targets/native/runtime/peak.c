/* What the cores could do: multiply-adds of whole vectors in registers, with no memory and no waiting. */
#include "runtime.h"

enum { CHAINS = 12, TURNS = 1 << 16 };

static void multiply_adds(void *const *b, int t, int T, const Runtime *rt) {
  (void)T; (void)rt;
  vf s[CHAINS];
  for (int i = 0; i < CHAINS; i++) s[i] = bcf((float)i);
  const vf x = bcf(0.999f), y = bcf(0.001f);
  for (long n = 0; n < TURNS; n++) {
    _Pragma("GCC unroll 16") for (int i = 0; i < CHAINS; i++) s[i] = s[i] * x + y;
  }
  float sum = 0;
  for (int i = 0; i < CHAINS; i++) sum += h_sumf(s[i]);
  ((float *)b[0])[t * 16] = sum;
}

/* the kernel, and the floating-point operations of one part */
Kernel dg_peak_kernel(void) { return multiply_adds; }
double dg_peak_work(void) { return 2.0 * CHAINS * TURNS * VW; }
