/**
 * DINOv2's iBOTPatchLoss: targets of the masked patches by a centre over two steps and by Sinkhorn, the loss over the padded list with
 * given and with derived weights, and the loss over all patches of every crop.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Device, HostArray, HostValues } from '../../../compiler/target.ts'
import type { Expr } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { state, value } from '../../../core/graph.ts'
import { hyper, input, resident } from '../../../core/leaves.ts'
import { trace } from '../../../core/trace.ts'
import { tensorType } from '../../../core/type.ts'
import type { Shape } from '../../../core/type.ts'
import { collate } from '../../../data/augment/masks.ts'
import type { Centring } from '../../../losses/centring.ts'
import { centre, sharpen } from '../../../losses/centring.ts'
import { ibot } from '../../../losses/ibot.ts'
import { total } from '../../../losses/loss.ts'
import { sinkhorn } from '../../../losses/sinkhorn.ts'
import { greater } from '../../../ops/elementwise.ts'
import { reshape } from '../../../ops/reshape.ts'
import { slice } from '../../../ops/window.ts'
import { maskInputs } from '../../../train/step/masks.ts'
import type { Case } from '../case.ts'
import { configOf, floats, inputOf, ints } from '../case.ts'
import { gradient } from '../gradient.ts'
import type { Computed, Kind } from '../kind.ts'
import { runOnce, scalar } from '../kind.ts'

const config = t.intersection([
  t.type({ out_dim: t.number, n_images: t.number, n_tokens: t.number, teacher_temp: t.number }),
  t.partial({ student_temp: t.number, center_momentum: t.number, sk_iterations: t.number }),
])
type Config = t.TypeOf<typeof config>

/** Logits `[rows.., K]` of a list of patches, of which the first `hidden` are real. */
interface Listed {
  readonly shape: Shape
  readonly hidden: number
}

/** Values `probs`, `loss` and `gradient`; the centring's own state goes on. Logits are flattened to one row for each patch. */
const graphOf = (o: Config, centring: Centring, listed: Listed): Either<Fault, Graph> => {
  const [student, teacher] = [input('student', listed.shape), input('teacher', listed.shape)]
  const rows = (x: Expr): Expr => reshape([-1, o.out_dim])(x)
  const masks = maskInputs(o.n_images, o.n_tokens, rows(student).type.shape[0])
  const old = new Map([...centring.state].map(([path, d]) => [path, resident(path, d)]))
  const [targets, next] = centring.run(rows(teacher), hyper('teacher_temp'), greater(masks.weights, 0))(old)
  const [outcome] = ibot({ prototypes: o.out_dim, studentTemperature: o.student_temp ?? 0.1, centring }).run({
    student: { masked: { logits: rows(student), weights: masks.weights, mask: masks.mask } },
    teacher: { masked: { logits: rows(teacher) } },
  })(old)
  const loss = total(outcome)
  return trace('ibot loss', [
    value('probs', slice(0, 0, listed.hidden)(targets.probabilities)),
    value('loss', loss),
    ...gradient('gradient', loss, student),
    ...[...next].map(([path, e]) => state(path, e)),
  ])
}

/** What stands in padding; it must not matter. */
const garbage = 12345

/** An array followed by padding up to a length. */
const padded = (xs: Float32Array, length: number, padding: number): Float32Array => {
  const out = new Float32Array(length).fill(padding)
  out.set(xs)
  return out
}

const path = 'ibot.center'

const named = (prefix: string, values: HostValues): Computed =>
  new Map([
    [`out/${prefix}/probs`, values.get('probs') ?? []],
    [`out/${prefix}/loss`, values.get('loss') ?? []],
    [`grad/${prefix}/student`, values.get('gradient') ?? []],
  ])

/** The masked list: its logits padded to the student's length, and weights as given or as they follow from the mask. */
const maskedCase = (c: Case, device: Device, o: Config): TaskEither<Fault, Computed> =>
  pipe(
    TE.fromEither(E.Do),
    TE.bind('student', () => TE.fromEither(inputOf(c, 'in/student'))),
    TE.bind('logits', () => TE.fromEither(floats(c, 'in/student'))),
    TE.bind('mask', () => TE.fromEither(ints(c, 'in/masks'))),
    TE.bind('given', () => TE.fromEither(floats(c, 'in/masks_weight'))),
    TE.bind('first', () => TE.fromEither(floats(c, 'in/teacher0'))),
    TE.bind('second', () => TE.fromEither(floats(c, 'in/teacher1'))),
    TE.bind('centre', () => TE.fromEither(floats(c, 'in/center0'))),
    TE.chain(({ student, logits, mask, given, first, second, centre: start }) => {
      const [rows] = student.shape
      const listed = { shape: student.shape, hidden: given.length }
      const derived = collate(Uint8Array.from(mask), o.n_images, rows).weights
      const feed = (teacher: Float32Array, weights: Float32Array): HostValues =>
        new Map<string, HostArray>([
          ['student', logits],
          ['teacher', padded(teacher, rows * o.out_dim, garbage)],
          ['batch.mask_weights', padded(weights, rows, 0)],
          ['hyper.teacher_temp', scalar(o.teacher_temp)],
        ])
      const program = (centring: Centring) =>
        pipe(
          TE.fromEither(graphOf(o, centring, listed)),
          TE.chain((g) => device.compile(g)),
        )
      return pipe(
        device.write(path, tensorType('f32', [1, o.out_dim]), start),
        TE.bind('centred', () => program(centre({ path, prototypes: o.out_dim, momentum: o.center_momentum ?? 0.9 }))),
        TE.bind('step0', ({ centred }) => centred.run({ values: feed(first, given) })),
        TE.bind('after0', () => device.read(path)),
        TE.bind('step1', ({ centred }) => centred.run({ values: feed(second, given) })),
        TE.bind('after1', () => device.read(path)),
        TE.bind('sk', () => program(sinkhorn({ iterations: o.sk_iterations ?? 3 }))),
        TE.bind('balanced', ({ sk }) => sk.run({ values: feed(first, given) })),
        TE.bind('unweighted', ({ sk }) => sk.run({ values: feed(first, derived) })),
        TE.map(
          ({ step0, after0, step1, after1, balanced, unweighted }) =>
            new Map([
              ...named('center', step0),
              ...named('sk', balanced),
              ['out/sk/loss_weights_none', unweighted.get('loss') ?? []],
              ['out/center/probs0', step0.get('probs') ?? []],
              ['out/center/probs1', step1.get('probs') ?? []],
              ['out/center/center_after0', after0],
              ['out/center/center_after1', after1],
            ]),
        ),
      )
    }),
  )

/** All patches of all crops, of which the loss takes the masked ones by their weight. */
const denseCase = (c: Case, device: Device, o: Config): TaskEither<Fault, Computed> =>
  pipe(
    TE.fromEither(E.Do),
    TE.bind('student', () => TE.fromEither(floats(c, 'in/dense_student'))),
    TE.bind('teacher', () => TE.fromEither(floats(c, 'in/dense_teacher'))),
    TE.bind('mask', () => TE.fromEither(ints(c, 'in/masks'))),
    TE.chain(({ student, teacher, mask }) => {
      const { indices, weights } = collate(Uint8Array.from(mask), o.n_images)
      const everywhere = new Float32Array(mask.length)
      indices.forEach((p, k) => {
        everywhere[p] = weights[k]
      })
      const shape = [o.n_images, o.n_tokens, o.out_dim]
      return runOnce(
        device,
        graphOf(o, sharpen, { shape, hidden: mask.length }),
        new Map<string, HostArray>([
          ['student', student],
          ['teacher', teacher],
          ['batch.mask_weights', everywhere],
          ['hyper.teacher_temp', scalar(o.teacher_temp)],
        ]),
      )
    }),
    TE.map((values) => named('dense', values)),
  )

export const kind: Kind = (c, device) =>
  pipe(
    TE.fromEither(configOf(config, c)),
    TE.bindTo('o'),
    TE.bind('masked', ({ o }) => maskedCase(c, device, o)),
    TE.bind('dense', ({ o }) =>
      c.inputs.has('in/dense_student') ? denseCase(c, device, o) : TE.right(new Map<string, ArrayLike<number>>()),
    ),
    TE.map(({ masked, dense }) => new Map([...masked, ...dense])),
  )
