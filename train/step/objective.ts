/**
 * The forward stage: the graph of the objective, and the role of every tensor that lives on the device. What rewrites this
 * stage (LoRA, freezing, precision) changes both together, before any gradient exists.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Expr } from '../../core/expr.ts'
import { labelScope, mark } from '../../core/expr.ts'
import type { Fault } from '../../core/fault.ts'
import type { Graph, Output } from '../../core/graph.ts'
import { state, value } from '../../core/graph.ts'
import { parameter, resident } from '../../core/leaves.ts'
import type { Declaration, Exprs, Model } from '../../core/model.ts'
import { call, context, declarations, leavesOf } from '../../core/model.ts'
import { trace } from '../../core/trace.ts'
import { join } from '../../core/tree.ts'
import type { Loss } from '../../losses/loss.ts'
import { total } from '../../losses/loss.ts'
import type { Pair } from '../../models/dino.ts'
import type { Adapter } from '../../models/lora.ts'
import type { Batch } from './batch.ts'

/**
 * What a resident tensor is to a step. `trained`: has a gradient and optimizer state. `fixed`: is only read. `average`:
 * follows the student's tensor of the same name. `shared`: is the student's fixed tensor of the same name, and has no memory of its
 * own. `kept`: the graph itself gives its next value.
 */
export type Role = 'trained' | 'fixed' | 'average' | 'shared' | 'kept'

/** A tensor that lives on the device between steps: `student.…`, `teacher.…`, `loss.…`, `optimizer.…`. */
export interface Resident {
  readonly path: string
  readonly declaration: Declaration
  readonly role: Role
}

export interface Objective {
  /** Values: `loss`, its terms `loss.NAME` and metrics; states: `loss.…`. */
  readonly graph: Graph
  readonly residents: ReadonlyArray<Resident>
  /** Any graph over the networks' own parameters, written with the tensors that live on the device: evaluations, exports. */
  readonly view?: View
  /** The low-rank adapters of the networks: what may be merged, or saved by itself. */
  readonly adapters?: ReadonlyArray<Adapter>
}

export type View = (g: Graph) => Either<Fault, Graph>

/** Student and teacher, what they are judged by, and what they see. */
export interface ObjectiveOptions<P, Q, V, S, T> {
  readonly model: Pair<P, Q, V, S, T>
  readonly loss: Loss<{ readonly images: number; readonly student: S; readonly teacher: T }>
  readonly batch: Batch<V>
  /** `average` (the default): the teacher's tensors follow the student's. `fixed`: the teacher stays as it is. */
  readonly teacher?: 'average' | 'fixed'
}

const residentsOf = (root: string, params: unknown, role: (d: Declaration) => Role): ReadonlyArray<Resident> =>
  declarations(params).map(([path, declaration]) => ({ path: join(root, path), declaration, role: role(declaration) }))

/** The leaf that stands for a resident tensor in graphs. */
export const leafOf = (r: Resident): Expr => (r.role === 'kept' ? resident(r.path, r.declaration) : parameter(r.path, r.declaration))

/** A network applied to parameters that live under `root`. */
const applied = <P, I, O>(m: Model<P, I, O>, mode: 'train' | 'eval', root: string, views: I): O => {
  const leaves: Exprs<P> = leavesOf(root, m.params)
  return call(m, context(mode), root, leaves, views)
}

/** Traces the objective. `Left`: the first misuse on the way, with its scope and the user's line. */
export const objective = <P, Q, V, S, T>(o: ObjectiveOptions<P, Q, V, S, T>): Either<Fault, Objective> => {
  const student = applied(o.model.student, 'train', 'student', o.batch.views)
  const teacher = applied(o.model.teacher, 'eval', 'teacher', o.batch.views)
  const kept = [...o.loss.state].map(([path, declaration]): Resident => ({ path: join('loss', path), declaration, role: 'kept' }))
  const old = new Map([...o.loss.state].map(([path, d]) => [path, resident(join('loss', path), d)]))
  const since = mark()
  const [outcome, next] = o.loss.run({ images: o.batch.images, student, teacher })(old)
  const outputs: ReadonlyArray<Output> = [
    value('loss', total(outcome)),
    ...outcome.terms.map((t) => value(join('loss', t.name), t.value)),
    ...outcome.metrics.map((m) => value(m.name, m.value)),
    ...[...next].map(([path, e]) => state(join('loss', path), e)),
  ]
  labelScope(
    'loss',
    since,
    outputs.map((x) => x.expr),
  )
  const teacherRole = o.teacher ?? 'average'
  return pipe(
    trace('objective', outputs),
    E.map((graph) => ({
      graph,
      residents: [
        ...residentsOf('student', o.model.student.params, (d) => (d.trainable ? 'trained' : 'fixed')),
        ...residentsOf('teacher', o.model.teacher.params, () => teacherRole),
        ...kept,
      ],
    })),
  )
}
