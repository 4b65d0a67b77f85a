/** gpu.js as a target: fused kernels printed in its language, compiled by it, and replayed over resident slots. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Expr } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Graph, NamedLeaf } from '../../../core/graph.ts'
import { isResident, leavesOfGraph, nodesOf } from '../../../core/graph.ts'
import type { TensorType } from '../../../core/type.ts'
import { isHalf, sizeOf } from '../../../core/type.ts'
import type { Place, Plan } from '../../memory/plan.ts'
import { follow, plannedBytes } from '../../road.ts'
import type { CompileOptions, Device, Executable, Feed, HostArray, HostValues, Target } from '../../target.ts'
import { fed } from '../feed.ts'
import { asFault, openResidents } from '../residents.ts'
import type { Engine, Launch, Mode, Slot } from './engine.ts'
import { openEngine } from './engines.ts'
import type { KernelSource } from './kernel.ts'
import { printKernel } from './print.ts'
import { roadOf } from './road.ts'
import { floatsOf, fromFloats, toFloats } from './storage.ts'

/** A tensor copied as it is stored. */
const copyKernel = (floats: number): KernelSource => ({
  name: 'update',
  source: 'function(a0) { const x = this.thread.x; return a0[x]; }',
  helpers: [],
  args: [floats],
  output: [floats],
  block: [1, 1],
})

/** The elements of a constant. */
const valuesOf = (e: Expr): HostArray =>
  e._tag === 'Leaf' && e.source._tag === 'Table'
    ? Float64Array.from(e.source.values)
    : new Float64Array(sizeOf(e.type.shape)).fill(e._tag === 'Leaf' && e.source._tag === 'Fill' ? e.source.value : 0)

const noHalf = (g: Graph, name: string): E.Either<Fault, Graph> => {
  const found = nodesOf(g).find((e) => isHalf(e.type.dtype))
  return found === undefined
    ? E.right(g)
    : E.left(
        fault('target', {
          place: name,
          found: `${found.type.dtype} tensors in the graph`,
          allowed: 'f32, i32 and bool',
          remedy: 'leave precision at f32 for this target',
        }),
      )
}

const deviceOf = (name: string, engine: Engine): Device => {
  const road = roadOf(engine)
  const slotOf = (type: TensorType): Slot => engine.slot(floatsOf(type.dtype, sizeOf(type.shape)))
  const fill = (slot: Slot, type: TensorType, data: HostArray): void => {
    engine.write(slot, toFloats(type.dtype, data))
  }
  const residents = openResidents<Slot>({
    name,
    allocate: (type) => E.right(slotOf(type)),
    store: ({ type, memory }, data) => {
      fill(memory, type, data)
    },
    load: async ({ type, memory }) => fromFloats(type.dtype, await engine.read(memory)),
  })

  /** Memory and launches of one plan. */
  const load = (plan: Plan, o: CompileOptions): TE.TaskEither<Fault, Executable> => {
    const leaves = leavesOfGraph(plan.graph)
    const sources = plan.kernels.map((k) => printKernel(k.kernel, engine.limits.matmulBlock))
    const copies = [...new Set(plan.steps.flatMap((s) => (s._tag === 'Update' ? [floatsOf(s.dtype, s.length)] : [])))]
    return pipe(
      engine.compile([...sources, ...copies.map(copyKernel)], (done, total) => o.progress?.({ done, total, unit: 'kernels' }), o.stopping),
      TE.chain((set) =>
        TE.tryCatch(async () => {
          const temporaries =
            plan.temporaries._tag === 'Slots' ? plan.temporaries.slots.map((s) => engine.slot(floatsOf(s.dtype, s.length))) : []
          const given = new Map(leaves.filter((l) => !isResident(l) && !plan.hypers.includes(l.leaf)).map((l) => [l.path, slotOf(l.type)]))
          const hyper = engine.slot(Math.max(1, plan.hypers.length))
          const constants = new Map<Expr, Slot>()
          const constant = (e: Expr): Slot => {
            const slot = constants.get(e) ?? slotOf(e.type)
            if (!constants.has(e)) fill(slot, e.type, valuesOf(e))
            constants.set(e, slot)
            return slot
          }
          const slotAt = (p: Place): Slot => {
            switch (p._tag) {
              case 'Resident':
                return residents.find(p.path)?.memory ?? hyper
              case 'Given':
                return given.get(p.path) ?? hyper
              case 'Constant':
                return constant(p.expr)
              case 'Hyper':
                return hyper
              case 'Temporary':
                return temporaries[p.at]
            }
          }
          const launches = plan.steps.map((s): Launch =>
            s._tag === 'Launch'
              ? { kernel: s.fused, args: s.reads.map(slotAt), out: slotAt(s.writes[0]) }
              : {
                  kernel: plan.kernels.length + copies.indexOf(floatsOf(s.dtype, s.length)),
                  args: [slotAt(s.from)],
                  out: slotAt({ _tag: 'Resident', path: s.path }),
                },
          )
          const program = set.program(launches)
          await Promise.resolve()
          return {
            source: [...new Map(sources.map((s) => [s.source, `// ${s.name}\n${s.source}`])).values()],
            launches: launches.length,
            run: (feed: Feed) => runOnce(name, engine, plan, leaves, feed, { given, hyper, program: program.run, slotAt, fill }),
          }
        }, asFault(name)),
      ),
    )
  }

  return {
    name,
    description: engine.describe,
    memory: engine.memory,
    road,
    ...residents.device,
    planned: plannedBytes(road),
    compile: (g, o = {}) =>
      pipe(
        TE.fromEither(pipe(noHalf(g, name), E.chainFirst(residents.prepare), E.chain(follow(road)))),
        TE.chain((plan) => load(plan, o)),
      ),
    close: () => {
      residents.clear()
      engine.dispose()
    },
  }
}

interface Loaded {
  readonly given: ReadonlyMap<string, Slot>
  readonly hyper: Slot
  readonly program: () => Promise<void>
  readonly slotAt: (p: Place) => Slot
  readonly fill: (slot: Slot, type: TensorType, data: HostArray) => void
}

const runOnce = (
  name: string,
  engine: Engine,
  plan: Plan,
  leaves: ReadonlyArray<NamedLeaf>,
  feed: Feed,
  l: Loaded,
): TE.TaskEither<Fault, HostValues> => {
  const hypers = new Float32Array(Math.max(1, plan.hypers.length))
  for (const leaf of leaves) {
    if (leaf.source._tag === 'Param' || leaf.source._tag === 'State') continue
    const data = fed(leaf.type, leaf.source, feed)
    if (E.isLeft(data)) return TE.left(data.left)
    const slot = l.given.get(leaf.path)
    if (slot === undefined) hypers[plan.hypers.indexOf(leaf.leaf)] = data.right[0]
    else l.fill(slot, leaf.type, data.right)
  }
  engine.write(l.hyper, hypers)
  return TE.tryCatch(async () => {
    await l.program()
    const out = new Map<string, HostArray>()
    for (const v of plan.values) out.set(v.path, fromFloats(v.expr.type.dtype, await engine.read(l.slotAt(v.place))))
    return out
  }, asFault(name))
}

/** The target `gpujs:MODE`. */
export const gpujs = (mode: Mode): Target => ({
  name: `gpujs:${mode}`,
  open: pipe(
    openEngine(mode),
    TE.map((engine) => deviceOf(`gpujs:${mode}`, engine)),
  ),
})
