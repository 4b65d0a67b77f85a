/** The printed forms that each step of the compiler gives for small programs. `vitest -u` rewrites them. */
import * as E from 'fp-ts/lib/Either.js'
import { expect, test } from 'vitest'
import { fuse } from '../../compiler/passes/fuse.ts'
import { pack } from '../../compiler/passes/pack.ts'
import { simplify } from '../../compiler/passes/simplify.ts'
import type { KernelRoad } from '../../compiler/road.ts'
import { follow } from '../../compiler/road.ts'
import { showPlan } from '../../compiler/show.ts'
import { printKernel } from '../../compiler/targets/gpujs/print.ts'
import { gpujsRoad } from '../../compiler/targets/gpujs/road.ts'
import type { Expr } from '../../core/expr.ts'
import { leaf } from '../../core/expr.ts'
import { showFault } from '../../core/fault.ts'
import type { Graph } from '../../core/graph.ts'
import { state, value } from '../../core/graph.ts'
import { print } from '../../core/print.ts'
import { trace } from '../../core/trace.ts'
import { tensorType } from '../../core/type.ts'
import { matmul } from '../../ops/contract.ts'
import { add, exp, mul, neg, sub } from '../../ops/elementwise.ts'
import { gelu, linear, softmax } from '../../ops/nn.ts'
import { sum } from '../../ops/reduce.ts'
import { reshape, transpose } from '../../ops/reshape.ts'

const input = (path: string, shape: ReadonlyArray<number>): Expr => leaf(tensorType('f32', shape), { _tag: 'Input', path })
const param = (path: string, shape: ReadonlyArray<number>): Expr => leaf(tensorType('f32', shape), { _tag: 'Param', path })
/** Launches cost nothing, so that small programs are cut as large ones are. */
const road: KernelRoad = {
  ...gpujsRoad({ maxInputs: 7, packs: true }),
  fuse: fuse({ maxInputs: 7, maxOps: 120, transcendental: 12, launch: 0 }),
}

const right = <A>(e: E.Either<Parameters<typeof showFault>[0], A>): A => (E.isRight(e) ? e.right : expect.fail(showFault(e.left)))
const graph = (y: Expr): Graph => right(trace('small', [value('y', y)]))
const plan = (g: Graph): string => showPlan(right(follow(road)(g)))

test('simplify: constants, neutral elements, signs and movement disappear', () => {
  const x = input('x', [2, 3])
  const moved = transpose()(transpose()(reshape([3, 2])(reshape([6])(x))))
  const g = graph(neg(neg(sub(mul(mul(add(moved, 0), 2), 3), neg(mul(moved, 1))))))
  expect(`${print(g)}${print(right(simplify.run(g)))}`).toMatchInlineSnapshot(`
    "graph small
      %0 = input x : f32[2, 3]
      %1 = reshape {"shape":[6]} (%0) : f32[6]
      %2 = reshape {"shape":[3,2]} (%1) : f32[3, 2]
      %3 = transpose {"perm":[1,0]} (%2) : f32[2, 3]
      %4 = transpose {"perm":[1,0]} (%3) : f32[3, 2]
      %5 = fill 0 : f32[3, 2]
      %6 = add (%4, %5) : f32[3, 2]
      %7 = fill 2 : f32[3, 2]
      %8 = mul (%6, %7) : f32[3, 2]
      %9 = fill 3 : f32[3, 2]
      %10 = mul (%8, %9) : f32[3, 2]
      %11 = fill 1 : f32[3, 2]
      %12 = mul (%4, %11) : f32[3, 2]
      %13 = neg (%12) : f32[3, 2]
      %14 = sub (%10, %13) : f32[3, 2]
      %15 = neg (%14) : f32[3, 2]
      %16 = neg (%15) : f32[3, 2]
      return y = %16
    graph small
      %0 = input x : f32[2, 3]
      %1 = reshape {"shape":[3,2]} (%0) : f32[3, 2]
      %2 = fill 6 : f32[3, 2]
      %3 = mul (%1, %2) : f32[3, 2]
      %4 = neg (%1) : f32[3, 2]
      %5 = sub (%3, %4) : f32[3, 2]
      return y = %5
    "
  `)
})

test('fuse: a contraction keeps its epilogue, and element-wise chains need no memory', () => {
  expect(plan(graph(gelu(linear(input('x', [64, 32]), param('w', [48, 32]), param('b', [48])))))).toMatchInlineSnapshot(`
    "# 0: pack
    kernel (b0: f32[1536])
      for v0<32, v1<48
      out0: f32[1536] [(48*v0 + v1)] = (b0[(v0 + 32*v1)])
    # 1: dot broadcast erf add mul
    kernel (b0: f32[2048], b1: f32[48], b2: f32[1536])
      for v0<64, v1<48
      t0 = sum over v2<32 of (mul (b0[(32*v0 + v2)]) (b2[(v1 + 48*v2)]))
      t1 = add t0 (b1[v1])
      out0: f32[3072] [(48*v0 + v1)] = (mul (mul t1 0.5) (add (erf (mul t1 0.7071067811865476)) 1.0))
    # 8 operations in 2 kernels (2 distinct), 0 state updates
    # 215 KFLOP (215 KFLOP in contractions), 39.1 KB moved
    # memory: 18.4 KB temporaries, 6.34 KB resident state
    "
  `)
})

test('fuse: the statistics of a row are kernels of their own, and the exponential is computed once', () => {
  expect(plan(graph(softmax(-1)(input('x', [100, 30]))))).toMatchInlineSnapshot(`
    "# 0: reduceMax
    kernel (b0: f32[3000])
      for v0<100
      t0 = max over v1<30 of (b0[(30*v0 + v1)])
      out0: f32[100] [v0] = t0
    # 1: broadcast sub exp
    kernel (b0: f32[3000], b1: f32[100])
      for v0<100, v1<30
      t0 = 30*v0 + v1
      out0: f32[3000] [t0] = (exp (sub (b0[t0]) (b1[v0])))
    # 2: sum
    kernel (b0: f32[3000])
      for v0<100
      t0 = sum over v1<30 of (b0[(30*v0 + v1)])
      out0: f32[100] [v0] = t0
    # 3: broadcast div
    kernel (b0: f32[3000], b1: f32[100])
      for v0<100, v1<30
      t0 = 30*v0 + v1
      out0: f32[3000] [t0] = (div (b0[t0]) (b1[v0]))
    # 7 operations in 4 kernels (4 distinct), 0 state updates
    # 15.0 KFLOP (0FLOP in contractions), 73.6 KB moved
    # memory: 24.4 KB temporaries, 0B resident state
    "
  `)
})

test('fuse: a cheap producer is computed again in each reader, an expensive one is not', () => {
  const x = input('x', [1000])
  const cheap = add(x, 1)
  const dear = exp(x)
  expect(plan(graph(add(matmul(reshape([10, 100])(cheap), reshape([100, 10])(dear)), sum()(mul(cheap, dear)))))).toMatchInlineSnapshot(`
    "# 0: add
    kernel (b0: f32[1000])
      for v0<1000
      out0: f32[1000] [v0] = (add (b0[v0]) 1.0)
    # 1: exp
    kernel (b0: f32[1000])
      for v0<1000
      out0: f32[1000] [v0] = (exp (b0[v0]))
    # 2: mul sum
    kernel (b0: f32[1000], b1: f32[1000])
      t0 = sum over v0<1000 of (mul (b0[v0]) (b1[v0]))
      out0: f32[1] [0] = t0
    # 3: reshape dot broadcast add
    kernel (b0: f32[1000], b1: f32[1000], b2: f32[1])
      for v0<10, v1<10
      t0 = sum over v2<100 of (mul (b0[(100*v0 + v2)]) (b1[(v1 + 10*v2)]))
      out0: f32[100] [(10*v0 + v1)] = (add t0 (b2[0]))
    # 9 operations in 4 kernels (4 distinct), 0 state updates
    # 24.1 KFLOP (22.1 KFLOP in contractions), 32.4 KB moved
    # memory: 8.40 KB temporaries, 0B resident state
    "
  `)
})

test('loops: a reshape between transposes splits and merges loops until every offset is affine', () => {
  const x = input('x', [4, 6])
  const y = exp(reshape([2, 12])(transpose()(reshape([3, 8])(transpose()(x)))))
  expect(
    right(road.fuse.run(right(simplify.run(graph(y)))))
      .kernels.map((k) => k.kernel.key)
      .join('\n'),
  ).toMatchInlineSnapshot(`
    "kernel (b0: f32[24])
      for v0<2, v1<12
      out0: f32[24] [(12*v0 + v1)] = (exp (b0[(v0 + 2*v1)]))"
  `)
})

test('pack: a weight that neighbouring results read at a stride is laid out again', () => {
  const g = graph(linear(input('x', [32, 16]), param('w', [24, 16])))
  const before = right(road.fuse.run(g))
  const show = (p: typeof before): string => p.kernels.map((k) => k.kernel.key).join('\n')
  expect(`${show(before)}\n\n${show(right(pack(7).run(before)))}`).toMatchInlineSnapshot(`
    "kernel (b0: f32[512], b1: f32[384])
      for v0<32, v1<24
      t0 = sum over v2<16 of (mul (b0[(16*v0 + v2)]) (b1[(16*v1 + v2)]))
      out0: f32[768] [(24*v0 + v1)] = t0

    kernel (b0: f32[384])
      for v0<16, v1<24
      out0: f32[384] [(24*v0 + v1)] = (b0[(v0 + 16*v1)])
    kernel (b0: f32[512], b1: f32[384])
      for v0<32, v1<24
      t0 = sum over v2<16 of (mul (b0[(16*v0 + v2)]) (b1[(v1 + 24*v2)]))
      out0: f32[768] [(24*v0 + v1)] = t0"
  `)
})

test('schedule: a state is replaced after its last reader', () => {
  const w = param('w', [8])
  const x = input('x', [8])
  const next = sub(w, mul(x, 0.1))
  const g = right(trace('update', [value('before', sum()(exp(w))), state('w', next), value('after', sum()(exp(next)))]))
  expect(road.memory.show(right(follow(road)(g)))).toMatchInlineSnapshot(`
    "t0 = kernel 0 (w)
    t1 = kernel 1 (w, x)
    w <- t1
    t2 = kernel 2 (t1)
    # 6 operations in 3 kernels (2 distinct), 1 state updates
    # 48FLOP (0FLOP in contractions), 168B moved
    # memory: 40B temporaries, 32B resident state
    "
  `)
})

test('gpujs: a matrix product computes a block of rows and columns in one thread', () => {
  const [k] = right(road.fuse.run(graph(linear(input('x', [32, 16]), param('w', [24, 16]), param('b', [24]))))).kernels
  expect(printKernel(k.kernel, [2, 2]).source).toMatchInlineSnapshot(`
    "function(a0, a1, a2) {
      const v0 = this.thread.x;
      const v1 = this.thread.y;
      const t2 = a2[(2 * v0)];
      const t3 = a2[(2 * v0 + 1)];
      const t4 = (32 * v1);
      const t5 = (32 * v0);
      const t6 = (32 * v0 + 16);
      const t7 = (32 * v1 + 16);
      let r8 = 0;
      let r9 = 0;
      let r10 = 0;
      let r11 = 0;
      for (let v12 = 0; v12 < 16; v12++) {
        const t13 = a0[(v12 + t4)];
        const t14 = a1[(v12 + t5)];
        const t15 = a1[(v12 + t6)];
        const t16 = a0[(v12 + t7)];
        r8 = r8 + (t13 * t14);
        r9 = r9 + (t13 * t15);
        r10 = r10 + (t16 * t14);
        r11 = r11 + (t16 * t15);
      }
      return [(r8 + t2), (r9 + t3), (r10 + t2), (r11 + t3)];
    }"
  `)
})
