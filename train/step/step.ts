/**
 * A training step is one graph, `(state, batch, hyper) -> (state', metrics)`, and a staged value until then:
 *
 *     trainingStep(…)       the forward stage: the objective and the roles of its tensors
 *       rewriteForward …    LoRA, freezing, precision
 *     derive                regions that have an adjoint of their own (attention), gradients, clipping, optimizer, moving averages
 *       rewriteStep …       accumulation, distribution, simplification
 *
 * A stage is a type, so a rewrite in the wrong place does not compile.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import { compact } from 'fp-ts/lib/ReadonlyArray.js'
import { gradOptions } from '../../compiler/grad.ts'
import { beforeGradients } from '../../compiler/passes/forward.ts'
import type { Expr } from '../../core/expr.ts'
import { labelScope, mark } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import type { Graph, Output } from '../../core/graph.ts'
import { state, value } from '../../core/graph.ts'
import type { Rewrite } from '../../core/rewrite.ts'
import { trace } from '../../core/trace.ts'
import { join } from '../../core/tree.ts'
import type { Adapter } from '../../models/lora.ts'
import { add } from '../../ops/elementwise.ts'
import { normOf } from './clip.ts'
import type { LossScale } from './loss-scale.ts'
import { lossScaling, none } from './loss-scale.ts'
import type { Objective, ObjectiveOptions, Resident, View } from './objective.ts'
import { leafOf, objective } from './objective.ts'
import { shared } from './share.ts'
import type { Teacher } from './teacher.ts'
import { ema } from './teacher.ts'
import type { GradientTransform, Proposal } from './transform.ts'
import { before, optimizerRoot, whileOpen } from './transform.ts'

/** How an objective is followed. */
export interface UpdateOptions {
  readonly optimizer: GradientTransform
  /** Default: the exponential moving average with `hyper.momentum`. */
  readonly average?: Teacher
  /** Scales the loss for gradients in half precision (loss-scale.ts). Default: none. */
  readonly lossScale?: LossScale
  /** Also hands back `grad_norm.PATH`, the L2 norm of every gradient before any transform. */
  readonly gradNorms?: boolean
}

/** The whole step, and every tensor that it needs on the device. */
export interface Program {
  readonly graph: Graph
  readonly residents: ReadonlyArray<Resident>
  /** Any graph over the networks' own parameters, written with the residents. */
  readonly view: View
  readonly adapters: ReadonlyArray<Adapter>
  /** What gradients were taken of: the loss, or the scaled loss. */
  readonly differentiated: Expr
}

export interface ForwardStage {
  readonly stage: 'forward'
  readonly objective: Either<Fault, Objective>
  readonly update: UpdateOptions
}

export interface StepStage {
  readonly stage: 'step'
  readonly program: Either<Fault, Program>
}

export const trainingStep = <P, Q, V, S, T>(o: ObjectiveOptions<P, Q, V, S, T> & UpdateOptions): ForwardStage => ({
  stage: 'forward',
  objective: objective(o),
  update: o,
})

/** Changes the objective and the roles of its tensors, before anything is derived from them. */
export const rewriteForward =
  (f: (o: Objective) => Either<Fault, Objective>) =>
  (s: ForwardStage): ForwardStage => ({ ...s, objective: E.chain(f)(s.objective) })

/** Changes the whole step. */
export const rewriteStep =
  (r: Rewrite<'step'>) =>
  (s: StepStage): StepStage => ({
    ...s,
    program: E.chain((p: Program) =>
      pipe(
        r.run(p.graph),
        E.map((graph) => ({ ...p, graph })),
      ),
    )(s.program),
  })

const withoutRoot = (path: string): string => path.slice(path.indexOf('.') + 1)

/** What `body` makes is printed under `scope`, as far as it has no scope of its own. */
const inStage = <A>(scope: string, made: (a: A) => ReadonlyArray<Expr>, body: () => A): A => {
  const since = mark()
  const a = body()
  labelScope(scope, since, made(a))
  return a
}

const noLoss: Fault = fault('graph', {
  place: 'the objective',
  found: 'no value output `loss`',
  allowed: 'a scalar `loss` to differentiate',
  remedy: 'keep the output `loss` when rewriting an objective',
})

const derived = (objective: Objective, update: UpdateOptions): Either<Fault, Program> => {
  const sharing = pipe(
    shared(objective),
    E.bind('graph', ({ objective: o }) => beforeGradients.run(o.graph)),
  )
  if (E.isLeft(sharing)) return sharing
  const { objective: whole, view, graph } = sharing.right
  const o = { ...whole, graph }
  const loss = o.graph.outputs.find((x) => x.role === 'value' && x.path === 'loss')
  if (loss === undefined) return E.left(noLoss)
  const trained = o.residents.filter((r) => r.role === 'trained')
  const scaling = update.lossScale === undefined ? none : lossScaling(update.lossScale)
  const differentiated = scaling.scaled(loss.expr)
  const gradients = gradOptions(differentiated, trained.map(leafOf))
  const { unscaled, whereFinite, kept: scales } = scaling.of(compact(gradients))
  const proposals = trained.flatMap((r, i): ReadonlyArray<Proposal> => {
    const g = gradients[i]
    // what the loss does not depend on is left alone, as by PyTorch where grad is None
    return O.isNone(g)
      ? []
      : [
          {
            path: withoutRoot(r.path),
            declaration: r.declaration,
            value: leafOf(r),
            update: unscaled(g.value),
            gate: O.none,
            begun: O.none,
          },
        ]
  })
  const { proposals: changes, kept } = inStage(
    optimizerRoot,
    (t) => [...t.proposals.map((p) => p.update), ...t.kept.map((k) => k.next)],
    () => update.optimizer.update(proposals),
  )
  const stepped = new Map(
    inStage(
      optimizerRoot,
      (xs) => xs.map(([, e]) => e),
      () => changes.map((p) => [p.path, whereFinite(whileOpen(p.gate, add(p.value, p.update), p.value), p.value)] as const),
    ),
  )
  const students = new Map(o.residents.filter((r) => r.path.startsWith('student.')).map((r) => [withoutRoot(r.path), r]))
  const average = update.average ?? ema()
  const averages = inStage(
    'teacher',
    (xs) => xs.map((x) => x.expr),
    () =>
      o.residents
        .filter((r) => r.role === 'average')
        .flatMap((r): ReadonlyArray<Output> => {
          const path = withoutRoot(r.path)
          const student = students.get(path)
          const now = student === undefined ? undefined : (stepped.get(path) ?? leafOf(student))
          return now === undefined ? [] : [state(r.path, average.follow(leafOf(r), now))]
        }),
  )
  const norms = update.gradNorms === true ? proposals.map((p) => value(join('grad_norm', p.path), normOf(p.update))) : []
  const residents = new Map(o.residents.map((r) => [r.path, r]))
  const going = o.graph.outputs.map((x): Output => {
    const old = x.role === 'state' ? residents.get(x.path) : undefined
    return old === undefined ? x : { ...x, expr: whereFinite(x.expr, leafOf(old)) }
  })
  const keeps = [...kept.map((k) => ({ ...k, next: whereFinite(k.next, before(k)) })), ...scales]
  const outputs: ReadonlyArray<Output> = [
    ...going,
    ...norms,
    ...[...stepped].map(([path, e]) => state(join('student', path), e)),
    ...averages,
    ...keeps.map((k) => state(join(optimizerRoot, k.path), k.next)),
  ]
  const optimizer = keeps.map((k): Resident => ({ path: join(optimizerRoot, k.path), declaration: k.declaration, role: 'kept' }))
  return pipe(
    trace('step', outputs),
    E.map((graph) => ({ graph, residents: [...o.residents, ...optimizer], view, adapters: o.adapters ?? [], differentiated })),
  )
}

/** Derives gradients of `loss` with respect to what is trained, the optimizer's step, and the teacher's. */
export const derive = (s: ForwardStage): StepStage => ({
  stage: 'step',
  program: E.chain((o: Objective) => derived(o, s.update))(s.objective),
})
