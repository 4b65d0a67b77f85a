/** Laws of the compiler's rewrites and of its schedule, on random graphs. */
import fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { expect, test } from 'vitest'
import type { Fused } from '../../compiler/kernel/fused.ts'
import { bytesOfTensor, residentPath } from '../../compiler/kernel/fused.ts'
import { termsOf } from '../../compiler/kernel/term.ts'
import type { Place, Plan } from '../../compiler/memory/plan.ts'
import { fuse } from '../../compiler/passes/fuse.ts'
import { simplify } from '../../compiler/passes/simplify.ts'
import type { KernelRoad } from '../../compiler/road.ts'
import { follow } from '../../compiler/road.ts'
import { gpujsRoad } from '../../compiler/targets/gpujs/road.ts'
import { nativeRoad } from '../../compiler/targets/native/road.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Expr } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { showFault } from '../../core/fault.ts'
import { roots, value } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { print } from '../../core/print.ts'
import { trace } from '../../core/trace.ts'
import { bytesOf, range } from '../../core/type.ts'
import { verify } from '../../core/verify.ts'
import { attending } from '../../ops/attention.ts'
import { add, mul, sin } from '../../ops/elementwise.ts'
import { sum } from '../../ops/reduce.ts'
import { transpose } from '../../ops/reshape.ts'
import { runs } from '../support/arbitrary.ts'
import { graphs } from '../support/graphs.ts'
import { expectClose, hostArray } from '../support/tensor.ts'

const right = <A>(e: E.Either<Fault, A>): A => (E.isRight(e) ? e.right : expect.fail(showFault(e.left)))

test('simplify preserves values, gives a verified graph, and has nothing left to do', () => {
  fc.assert(
    fc.property(graphs(), ({ graph, values }) => {
      const simple = right(verify(right(simplify.run(graph))))
      const host = new Map([...values].map(([path, t]) => [path, hostArray(t)] as const))
      const before = evaluate(roots(graph), host)
      const after = evaluate(roots(simple), host)
      before.forEach((b, i) => {
        expectClose(after[i], b, 1e-9, graph.outputs[i].path)
      })
      expect(print(right(simplify.run(simple)))).toBe(print(simple))
    }),
    runs(100),
  )
})

const roads: ReadonlyArray<readonly [string, KernelRoad]> = [
  ['gpujs', gpujsRoad({ maxInputs: 7, packs: true })],
  ['gpujs, unpacked', gpujsRoad({ maxInputs: 64, packs: false })],
  ['native', nativeRoad()],
  ['native, recomputing whatever it can', nativeRoad(0)],
]

/** The memory that a place stands for, as the first and last byte of a temporary in an arena, or as a name. */
const spanOf = (p: Plan, x: Place, bytes: number): readonly [string, number, number] =>
  x._tag !== 'Temporary'
    ? [JSON.stringify(x._tag === 'Constant' ? { constant: x.expr.id } : x), 0, 1]
    : p.temporaries._tag === 'Arena'
      ? ['arena', x.at, x.at + Math.max(bytes, 1)]
      : [`slot ${x.at}`, 0, 1]

/** Runs a plan on names in place of numbers: what is read that is not there any more, or not yet, is found out. */
const replay = (p: Plan): void => {
  interface Cell {
    readonly where: string
    readonly from: number
    readonly to: number
    readonly what: unknown
  }
  let cells: ReadonlyArray<Cell> = []
  const write = ([where, from, to]: readonly [string, number, number], what: unknown): void => {
    cells = [...cells.filter((c) => c.where !== where || c.to <= from || c.from >= to), { where, from, to, what }]
  }
  const held = ([where, from, to]: readonly [string, number, number]): unknown =>
    cells.find((c) => c.where === where && c.from === from && c.to === to)?.what
  const isWritten = ([where]: readonly [string, number, number]): boolean => cells.some((c) => c.where === where)
  for (const s of p.steps) {
    if (s._tag === 'Update') {
      const bytes = s.length * bytesOf(s.dtype)
      const what = held(spanOf(p, s.from, bytes))
      expect(what).toBeDefined()
      expect(p.graph.outputs.some((o) => o.role === 'state' && o.path === s.path && o.expr === what)).toBe(true)
      write(spanOf(p, { _tag: 'Resident', path: s.path }, bytes), what)
      continue
    }
    const k = p.kernels[s.fused]
    s.reads.forEach((place, i) => {
      const wanted = k.reads[i]
      const span = spanOf(p, place, bytesOfTensor(wanted))
      if (place._tag === 'Temporary') expect(held(span)).toBe(wanted)
      // an old state is read before it is replaced; what its kernel has written in its place is read as that
      if (place._tag === 'Resident' && residentPath(wanted) !== undefined) expect(isWritten(span)).toBe(false)
      else if (place._tag === 'Resident') expect(held(span)).toBe(wanted)
    })
    const written = s.writes.map((place, i) => spanOf(p, place, bytesOfTensor(k.writes[i])))
    s.writes.forEach((place, i) => {
      if (place._tag !== 'Temporary') return
      expect(s.reads).not.toContainEqual(place)
      const { dtype, length } = k.kernel.writes[i]
      if (p.temporaries._tag === 'Slots') expect(p.temporaries.slots[place.at]).toEqual({ dtype, length })
    })
    written.forEach((span, i) => {
      write(span, k.writes[i])
    })
  }
  for (const v of p.values) if (v.place._tag === 'Temporary') expect(held(spanOf(p, v.place, bytesOfTensor(v.expr)))).toBe(v.expr)
  for (const o of p.graph.outputs) {
    if (o.role === 'state' && residentPath(o.expr) !== o.path)
      expect(held(spanOf(p, { _tag: 'Resident', path: o.path }, bytesOfTensor(o.expr)))).toBe(o.expr)
  }
}

test.each(roads)(
  'the plan of %s: every read finds its tensor, old states are read before they are replaced, every state is replaced',
  (_, road) => {
    fc.assert(
      fc.property(graphs(), ({ graph }) => {
        replay(right(follow(road)(graph)))
      }),
      runs(100),
    )
  },
)

test('fuse respects what a target can take', () => {
  fc.assert(
    fc.property(graphs(), fc.integer({ min: 3, max: 8 }), ({ graph }, maxInputs) => {
      const p = right(follow(gpujsRoad({ maxInputs, packs: true }))(graph))
      for (const k of p.kernels) expect(k.kernel.reads.length).toBeLessThanOrEqual(Math.max(maxInputs, 3))
    }),
    runs(100),
  )
})

/** Arithmetic in a kernel's text. */
const arithmetic = ({ kernel }: Fused): number =>
  termsOf(kernel.writes.map((w) => w.value)).filter((t) => t._tag === 'Unary' || t._tag === 'Binary' || t._tag === 'Select').length

test('fuse cuts what is longer than a target compiles', () => {
  const x = input('x', [5])
  const chain = right(
    trace('chain', [
      value(
        'y',
        range(300).reduce<Expr>((y, i) => add(sin(y), i), x),
      ),
    ]),
  )
  const limits = { maxInputs: 8, transcendental: 6, launch: 400 }
  for (const maxOps of [20, 60, 2000]) {
    const { kernels } = right(fuse({ ...limits, maxOps }).run(chain))
    for (const k of kernels) expect(arithmetic(k)).toBeLessThanOrEqual(maxOps)
    expect(kernels.length).toBe(Math.ceil(600 / maxOps))
  }
})

test('no reduction is computed over and over inside of another', () => {
  const [x, y, z] = [input('x', [4, 6]), input('y', [5, 6]), input('z', [4, 6, 5])]
  const nests = { 'for every row': sum({ axes: [1] })(mul(x, sum({ axes: [0] })(y))), once: sum({ axes: [1] })(sin(sum({ axes: [2] })(z))) }
  for (const [what, e] of Object.entries(nests))
    for (const [name, road] of roads) {
      const { kernels } = right(road.fuse.run(right(trace('nested', [value('out', e)]))))
      const under = kernels.flatMap(({ kernel }) =>
        termsOf(kernel.writes.map((w) => w.value)).flatMap((t) =>
          t._tag === 'Reduce' ? termsOf([t.body]).filter((u) => u._tag === 'Reduce') : [],
        ),
      )
      expect(under, `${what}, ${name}`).toEqual([])
      expect(kernels, `${what}, ${name}`).toHaveLength(2)
    }
})

test('a kernel of the target reads from memory what is computed, and what is only placed otherwise where it lies', () => {
  const [q, k, v] = ['q', 'k', 'v'].map((name) => input(name, [2, 3, 8, 4]))
  const [computed, placed] = [mul(q, 2), transpose([0, 2, 1, 3])(input('p', [2, 8, 3, 4]))]
  const graph = right(trace('attending', [value('out', attending.attention({ scale: 0.5 }, computed, placed, add(v, k)))]))
  const { kernels } = right(nativeRoad().fuse.run(graph))
  const whole = kernels.filter(({ kernel }) => kernel.whole !== undefined)
  expect(whole).toHaveLength(1)
  expect(whole[0].reads).toContain(computed)
  expect(whole[0].reads).not.toContain(placed)
  expect(kernels).toHaveLength(3)
})
