/** Recomputing in the native target: the same values and gradients, less memory, and nothing read before it is made. */
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { Fused, Tensor } from '../../compiler/kernel/fused.ts'
import { residentPath } from '../../compiler/kernel/fused.ts'
import { temporaryBytes } from '../../compiler/memory/plan.ts'
import { follow } from '../../compiler/road.ts'
import { grad } from '../../compiler/grad.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { NativeDevice } from '../../compiler/targets/native/device.ts'
import { openNative } from '../../compiler/targets/native/device.ts'
import { contractionOf } from '../../compiler/targets/native/contraction.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import type { HostArray } from '../../compiler/target.ts'
import type { Expr } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { leavesOfGraph, state, value } from '../../core/graph.ts'
import { input, parameter } from '../../core/leaves.ts'
import { param, zeros } from '../../core/model.ts'
import { draw, stream } from '../../core/random.ts'
import { trace } from '../../core/trace.ts'
import { sizeOf } from '../../core/type.ts'
import { einsum } from '../../ops/contract.ts'
import { add, mul, sub, tanh } from '../../ops/elementwise.ts'
import { gelu, layerNorm, linear } from '../../ops/nn.ts'
import { sum } from '../../ops/reduce.ts'
import { must } from '../rules/agreement.ts'
import { graphOf, steps } from '../support/graphs.ts'
import { expectClose, hostArray, waves } from '../support/tensor.ts'

const devices = new Map<number, NativeDevice>()
const deviceWith = async (near: number): Promise<NativeDevice> => {
  const d = devices.get(near) ?? (await must(openNative({ threads: 2, least: 1, near })))
  devices.set(near, d)
  return d
}
afterAll(() => {
  for (const d of devices.values()) d.close()
})

const right = <A>(e: E.Either<{ readonly found: string }, A>): A => (E.isRight(e) ? e.right : expect.fail(e.left.found))

/** Layers x + gelu(norm(x) u) w of 16 columns, 32 hidden, and their gradient steps. */
const network = (depth: number, rows: number): Graph => {
  const layer = (i: number): Readonly<Record<'scale' | 'shift' | 'u' | 'b' | 'w', Expr>> => ({
    scale: parameter(`${i}.scale`, param([16], zeros)),
    shift: parameter(`${i}.shift`, param([16], zeros)),
    u: parameter(`${i}.u`, param([32, 16], zeros)),
    b: parameter(`${i}.b`, param([32], zeros)),
    w: parameter(`${i}.w`, param([16, 32], zeros)),
  })
  const layers = Array.from({ length: depth }, (_, i) => layer(i))
  const last = layers.reduce(
    (x, p) => add(x, linear(gelu(linear(layerNorm(1e-6)(x, p.scale, p.shift), p.u, p.b)), p.w)),
    input('x', [rows, 16]),
  )
  const loss = sum()(mul(last, last))
  const params = layers.flatMap((p) => Object.values(p))
  const gradients = grad(loss, params)
  return right(
    trace('network', [value('loss', loss), ...gradients.map((g, i) => state(residentPath(params[i]) ?? '', sub(params[i], mul(g, 1e-3))))]),
  )
}

const legal = (g: Graph, kernels: ReadonlyArray<Fused>): void => {
  const made = new Set<Tensor>()
  const all = new Set<Tensor>(kernels.flatMap((k) => k.writes))
  const replaced = new Set<string>()
  for (const k of kernels) {
    for (const r of k.reads) {
      expect(all.has(r) && !made.has(r)).toBe(false)
      expect(replaced.has(residentPath(r) ?? '')).toBe(false)
    }
    for (const w of k.writes) {
      made.add(w)
      for (const o of g.outputs) if (o.role === 'state' && o.expr === w) replaced.add(o.path)
    }
  }
  for (const o of g.outputs) expect(o.expr._tag === 'Leaf' || made.has(o.expr)).toBe(true)
}

describe('recomputing', () => {
  it('keeps what cannot be derived, and computes the rest again where it is needed', () => {
    const { graph, kernels } = right(follow(nativeRoad(0))(network(2, 64)))
    legal(graph, kernels)
    const shown = kernels
      .filter((k) => k.kernel.name.includes('again'))
      .map((k) => `# ${k.kernel.name}${contractionOf(k.kernel) === undefined ? '' : ' (a product)'}\n${k.kernel.key}`)
    expect(`${shown.slice(0, 2).join('\n')}\n`).toMatchInlineSnapshot(`
      "# reshape mul broadcast add | reshape broadcast add neg sum mul | broadcast sum reshape mul | dot | again (a product)
      kernel (b0: f32[2048], b1: f32[512], b2: f32[1024], b3: f32[16], b4: f32[64], b5: f32[1024], b6: f32[16])
        for v0<64, v1<16
        t0 = 16*v0 + v1
        t1 = sum over v2<32 of (mul (b0[(32*v0 + v2)]) (b1[(v1 + 16*v2)]))
        t2 = b3[v1]
        t3 = b4[v0]
        t4 = sum over v4<32 of (mul (b0[(32*v0 + v4)]) (b1[(v3 + 16*v4)]))
        t5 = sum over v3<16 of (mul (mul t4 (b3[v3])) (b5[(16*v0 + v3)]))
        t6 = mul (mul (mul t5 -0.5) (mul t3 (mul t3 t3))) 0.0625
        t7 = b5[t0]
        t8 = mul t6 t7
        t9 = sum over v6<32 of (mul (b0[(32*v0 + v6)]) (b1[(v5 + 16*v6)]))
        t10 = mul t6 (b5[(16*v0 + v5)])
        t11 = sum over v5<16 of (neg (add (add (mul (mul t9 (b3[v5])) t3) t10) t10))
        out0: f32[1024] [t0] = t1
        out1: f32[1024] [t0] = (add (add (b2[t0]) (add (add (mul (mul t1 t2) t3) t8) t8)) (mul t11 0.0625))
        out2: f32[1024] [t0] = (add (mul (mul t7 t3) t2) (b6[v1]))
      # broadcast dot neg exp mul add | again (a product)
      kernel (b0: f32[1024], b1: f32[512], b2: f32[2048], b3: f32[32])
        for v0<64, v1<32
        t0 = 32*v0 + v1
        t1 = sum over v2<16 of (mul (b0[(16*v0 + v2)]) (b1[(v1 + 32*v2)]))
        t2 = add (b2[t0]) (b3[v1])
        t3 = mul t2 0.5
        t4 = mul t2 0.7071067811865476
        t5 = add (erf t4) 1.0
        out0: f32[2048] [t0] = (add (mul (mul (mul t1 t3) (mul (exp (neg (mul t4 t4))) 1.1283791670955126)) 0.7071067811865476) (mul (mul t1 t5) 0.5))
        out1: f32[2048] [t0] = (mul t3 t5)
      "
    `)
  })

  it('takes less memory', () => {
    const g = network(12, 512)
    const [kept, again] = [1e15, 1e5].map((near) => right(follow(nativeRoad(near))(g)))
    legal(again.graph, again.kernels)
    const [before, after] = [kept, again].map((p) => temporaryBytes(p.temporaries))
    expect(after).toBeLessThan(0.62 * before)
    expect(again.kernels.length).toBe(kept.kernels.length)
    const { fullest } = kept
    expect(fullest.bytes).toBeLessThanOrEqual(before)
    expect(fullest.bytes).toBeGreaterThan(0.8 * before)
    expect(fullest.tenants[0].name).toContain('f32[512, 32]')
  })

  it.each([
    ['is not read again when it has been replaced', 'soon', 1],
    ['is read again where it is replaced later', 'late', 2],
  ] as const)('an old state %s', (_, when, times) => {
    const [w, x] = [parameter('w', param([64, 64], zeros)), input('x', [512, 64])]
    const curved = tanh(w)
    const near = tanh(linear(x, curved))
    const layers = Array.from({ length: 6 }, (__, i) => input(`v${i}`, [64, 64]))
    const last = layers.reduce((a, v) => tanh(linear(a, v)), near)
    // an element of `curved` for an element of a product, long after the product that it is an operand of
    const far = mul(einsum('kr,kc->rc')(last, near), curved)
    const waited = sum()(when === 'soon' ? near : far)
    const given = right(trace('replaced', [value('far', far), state('w', sub(w, mul(w, waited)))]))
    const { graph, kernels } = right(follow(nativeRoad(1e5))(given))
    legal(graph, kernels)
    const curving = kernels.filter((k) => k.reads.some((r) => residentPath(r) === 'w') && k.kernel.key.includes('tanh'))
    expect(curving.length).toBe(times)
  })

  it('changes no values', async () => {
    const g = network(3, 40)
    const values = new Map<string, HostArray>(leavesOfGraph(g).map((l, i) => [l.path, hostArray(waves(l.type.shape, i + 1))]))
    const expected = evaluate(
      g.outputs.map((o) => o.expr),
      values,
    )
    const device = await deviceWith(0)
    for (const l of leavesOfGraph(g))
      if (l.source._tag === 'Param') await must(device.write(l.path, l.type, values.get(l.path) ?? new Float32Array(sizeOf(l.type.shape))))
    const out = await must((await must(device.compile(g))).run({ values }))
    for (const [i, o] of g.outputs.entries())
      expectClose(o.role === 'value' ? (out.get(o.path) ?? []) : await must(device.read(o.path)), expected[i], 2e-4, o.path)
  })

  it('changes no values of random graphs', { timeout: 600000 }, async () => {
    await fc.assert(
      fc.asyncProperty(steps(), async (list) => {
        const r = graphOf(list)
        const device = await must(openNative({ threads: 2, least: 1, near: 0 }))
        const values = new Map<string, HostArray>([...r.values].map(([path, t]) => [path, hostArray(t)]))
        for (const l of leavesOfGraph(r.graph))
          if (l.source._tag === 'Draw') values.set(l.path, draw(stream(0, l.path, 0), l.source.distribution, l.type.shape))
        for (const l of leavesOfGraph(r.graph))
          if (l.source._tag === 'Param') await must(device.write(l.path, l.type, values.get(l.path) ?? new Float32Array()))
        const out = await must((await must(device.compile(r.graph))).run({ values }))
        const expected = evaluate(
          r.graph.outputs.map((o) => o.expr),
          values,
        )
        for (const [i, o] of r.graph.outputs.entries())
          expectClose(
            o.role === 'value' ? (out.get(o.path) ?? []) : await must(device.read(o.path)),
            expected[i],
            o.expr.type.dtype === 'f32' ? 2e-4 : 0,
            o.path,
          )
        device.close()
      }),
      { numRuns: Number(process.env.RUNS ?? 15), seed: 11 },
    )
  })
})
