/** gpu.js as a target: fused kernels printed in its language, compiled by it, and replayed over resident slots. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { Expr } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault, messageOf } from '../../../core/fault.ts'
import type { Graph, NamedLeaf } from '../../../core/graph.ts'
import { isResident, leavesOfGraph, nodesOf } from '../../../core/graph.ts'
import type { TensorType } from '../../../core/type.ts'
import { sizeOf } from '../../../core/type.ts'
import type { Limits } from '../../passes/fuse.ts'
import { plannedBytes, planOf } from '../../plan.ts'
import type { Place, Plan } from '../../schedule.ts'
import type { CompileOptions, Device, Executable, Feed, HostArray, HostValues, Target } from '../../target.ts'
import { fed, fitting, residentFault } from '../feed.ts'
import type { Engine, Launch, Mode, Slot } from './engine.ts'
import { openEngine } from './engine.ts'
import type { KernelSource } from './kernel.ts'
import { printKernel } from './print.ts'
import { floatsOf, fromFloats, toFloats } from './storage.ts'

/** A tensor copied as it is stored. */
const copyKernel = (floats: number): KernelSource => ({
  name: 'update', source: 'function(a0) { const x = this.thread.x; return a0[x]; }', helpers: [], args: [floats], output: [floats], block: [1, 1],
})

/** What fusion may do for an engine: memory traffic is cheap beside a call in the CPU modes, so little is recomputed. */
export const limitsOf = (engine: Engine): Limits => ({
  maxInputs: engine.limits.maxInputs, maxOps: 120, scatter: false, transcendental: 12, launch: 4000, pack: engine.mode !== 'cpu',
})

interface Held {
  readonly type: TensorType
  readonly slot: Slot
}

const isFault = (e: unknown): e is Fault => typeof e === 'object' && e !== null && '_tag' in e && e._tag === 'Fault'

/** An engine's refusal, or whatever else was thrown on the way, as a fault. */
const asFault = (place: string) => (e: unknown): Fault =>
  isFault(e) ? e : fault('target', { place, found: messageOf(e), allowed: 'a run without device errors', remedy: 'report this with the output of npm run ir; try another target meanwhile' })

const noHalf = (g: Graph, name: string): E.Either<Fault, Graph> =>
  nodesOf(g).some((e) => e.type.dtype === 'f16')
    ? E.left(fault('target', { place: name, found: 'f16 tensors in the graph', allowed: 'f32, i32 and bool', remedy: 'leave precision at f32 for this target' }))
    : E.right(g)

const deviceOf = (name: string, engine: Engine): Device => {
  const held = new Map<string, Held>()

  const fill = (slot: Slot, type: TensorType, data: HostArray): void => { engine.write(slot, toFloats(type.dtype, data)) }

  /** Memory and launches of one plan. */
  const load = (plan: Plan, o: CompileOptions): TE.TaskEither<Fault, Executable> => {
    const leaves = leavesOfGraph(plan.graph)
    const missing = leaves.filter(isResident).flatMap((l) => residentFault(l.source._tag.toLowerCase(), l.path, l.type, held.get(l.path)?.type) ?? [])
    if (missing.length > 0) return TE.left(missing[0])
    const sources = plan.kernels.map((k) => printKernel(k.kernel, engine.limits.matmulBlock))
    const updates = plan.steps.flatMap((s) => (s._tag === 'Update' ? [floatsOf(s.dtype, s.length)] : []))
    const copies = [...new Set(updates)]
    return pipe(
      engine.compile([...sources, ...copies.map(copyKernel)], o.progress),
      TE.chain((set) => TE.tryCatch(async () => {
        const temporaries = plan.slots.map((s) => engine.slot(floatsOf(s.dtype, s.length)))
        const given = new Map(leaves.filter((l) => !isResident(l) && !plan.hypers.includes(l.leaf)).map((l) => [l.path, engine.slot(floatsOf(l.type.dtype, sizeOf(l.type.shape)))]))
        const hyper = engine.slot(Math.max(1, plan.hypers.length))
        const constants = new Map<Expr, Slot>()
        const constant = (e: Expr): Slot => {
          const found = constants.get(e)
          if (found !== undefined) return found
          const slot = engine.slot(floatsOf(e.type.dtype, sizeOf(e.type.shape)))
          const values = e._tag === 'Leaf' && e.source._tag === 'Table' ? Float64Array.from(e.source.values) : new Float64Array(sizeOf(e.type.shape)).fill(e._tag === 'Leaf' && e.source._tag === 'Fill' ? e.source.value : 0)
          fill(slot, e.type, values)
          constants.set(e, slot)
          return slot
        }
        const stateSlot = (path: string, floats: number): Slot => held.get(path)?.slot ?? engine.slot(floats)
        const slotAt = (p: Place): Slot => {
          switch (p._tag) {
            case 'Resident': return stateSlot(p.path, 1)
            case 'Given': return given.get(p.path) ?? hyper
            case 'Constant': return constant(p.expr)
            case 'Hyper': return hyper
            case 'Temporary': return temporaries[p.slot]
          }
        }
        const stateTypes = new Map(plan.graph.outputs.filter((out) => out.role === 'state').map((out) => [out.path, out.expr.type]))
        for (const [path, type] of stateTypes)
          if (!held.has(path)) held.set(path, { type, slot: engine.slot(floatsOf(type.dtype, sizeOf(type.shape))) })
        const launches = plan.steps.map((s): Launch =>
          s._tag === 'Launch'
            ? { kernel: s.fused, args: s.reads.map(slotAt), out: slotAt(s.write) }
            : { kernel: plan.kernels.length + copies.indexOf(floatsOf(s.dtype, s.length)), args: [slotAt(s.from)], out: stateSlot(s.path, s.length) })
        const program = set.program(launches)
        await Promise.resolve()
        return {
          source: [...new Map(sources.map((s) => [s.source, `// ${s.name}\n${s.source}`])).values()],
          launches: launches.length,
          run: (feed: Feed) => runOnce(name, engine, plan, leaves, feed, { given, hyper, program: program.run, slotAt, fill }),
        }
      }, asFault(name))),
    )
  }

  return {
    name,
    description: engine.describe,
    write: (path, type, data) => pipe(
      TE.fromEither(fitting('resident', path, type, data)),
      TE.chain((fits) => {
        const old = held.get(path)
        const wrong = old === undefined ? undefined : residentFault('resident', path, old.type, type)
        if (wrong !== undefined) return TE.left(wrong)
        return TE.tryCatch(async () => {
          await Promise.resolve()
          const slot = old?.slot ?? engine.slot(floatsOf(type.dtype, sizeOf(type.shape)))
          held.set(path, { type, slot })
          fill(slot, type, fits)
        }, asFault(name))
      }),
    ),
    read: (path) => {
      const h = held.get(path)
      return h === undefined
        ? TE.left(fault('target', { place: `resident ${path}`, found: 'no such tensor', allowed: [...held.keys()].slice(0, 8).join(', '), remedy: 'write it first, or name an existing one' }))
        : TE.tryCatch(async () => fromFloats(h.type.dtype, await engine.read(h.slot)), asFault(name))
    },
    resident: () => new Map([...held].map(([path, h]) => [path, h.type])),
    planned: plannedBytes(limitsOf(engine)),
    compile: (g, o = {}) => pipe(
      TE.fromEither(noHalf(g, name)),
      TE.chainEitherK(planOf(limitsOf(engine))),
      TE.chain((plan) => load(plan, o)),
    ),
    close: engine.dispose,
  }
}

interface Loaded {
  readonly given: ReadonlyMap<string, Slot>
  readonly hyper: Slot
  readonly program: () => Promise<void>
  readonly slotAt: (p: Place) => Slot
  readonly fill: (slot: Slot, type: TensorType, data: HostArray) => void
}

const runOnce = (name: string, engine: Engine, plan: Plan, leaves: ReadonlyArray<NamedLeaf>, feed: Feed, l: Loaded): TE.TaskEither<Fault, HostValues> => {
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
  open: pipe(openEngine(mode), TE.map((engine) => deviceOf(`gpujs:${mode}`, engine))),
})
