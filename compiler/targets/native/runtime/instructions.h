/*
 * Instructions that no operator stands for: GREATER(x, y) = x > y ? x : y and LESS(x, y) = x < y ? x : y, which pass y on where one of
 * them is NaN; ROOT(x); SCALED(x, n) = x 2^n. By GCC's own names, since its header of all instructions takes a sixth of what a unit of
 * kernels takes to compile; other compilers by that header.
 */
#pragma once
#include "vector.h"

#if !defined(__GNUC__) || defined(__clang__)
# if defined(__AVX__)
#  include <immintrin.h>
# elif defined(__SSE2__)
#  include <emmintrin.h>
# endif
# if VW == 16
#  define GREATER(x, y) ((vf)_mm512_max_ps((__m512)(x), (__m512)(y)))
#  define LESS(x, y) ((vf)_mm512_min_ps((__m512)(x), (__m512)(y)))
#  define ROOT(x) ((vf)_mm512_sqrt_ps((__m512)(x)))
#  define SCALED(x, n) ((vf)_mm512_scalef_ps((__m512)(x), (__m512)(n)))
# elif VW == 8
#  define GREATER(x, y) ((vf)_mm256_max_ps((__m256)(x), (__m256)(y)))
#  define LESS(x, y) ((vf)_mm256_min_ps((__m256)(x), (__m256)(y)))
#  define ROOT(x) ((vf)_mm256_sqrt_ps((__m256)(x)))
# elif defined(__SSE2__)
#  define GREATER(x, y) ((vf)_mm_max_ps((__m128)(x), (__m128)(y)))
#  define LESS(x, y) ((vf)_mm_min_ps((__m128)(x), (__m128)(y)))
#  define ROOT(x) ((vf)_mm_sqrt_ps((__m128)(x)))
# endif
#elif VW == 16
/* no lane is masked off; 4: rounded as everything else */
# define GREATER(x, y) ((vf)__builtin_ia32_maxps512_mask(x, y, (vf){0}, -1, 4))
# define LESS(x, y) ((vf)__builtin_ia32_minps512_mask(x, y, (vf){0}, -1, 4))
# define ROOT(x) ((vf)__builtin_ia32_sqrtps512_mask(x, (vf){0}, -1, 4))
# define SCALED(x, n) ((vf)__builtin_ia32_scalefps512_mask(x, n, (vf){0}, -1, 4))
#elif VW == 8
# define GREATER(x, y) ((vf)__builtin_ia32_maxps256(x, y))
# define LESS(x, y) ((vf)__builtin_ia32_minps256(x, y))
# define ROOT(x) ((vf)__builtin_ia32_sqrtps256(x))
#elif defined(__SSE2__)
# define GREATER(x, y) ((vf)__builtin_ia32_maxps(x, y))
# define LESS(x, y) ((vf)__builtin_ia32_minps(x, y))
# define ROOT(x) ((vf)__builtin_ia32_sqrtps(x))
#endif

#if defined(__ARM_NEON) && defined(__aarch64__)
# include <arm_neon.h>
# define ROOT(x) ((vf)vsqrtq_f32((float32x4_t)(x)))
#endif
#if !defined(GREATER)
# define GREATER(x, y) v_self((x) > (y), x, y)
# define LESS(x, y) v_self((x) < (y), x, y)
#endif
