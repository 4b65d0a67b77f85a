/** Distillation: a network that learned before is only read, and one or several small ones learn its features. */
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { join } from '../../../core/tree.ts'
import type { Loss } from '../../../losses/loss.ts'
import { sum } from '../../../losses/loss.ts'
import type { Matched, SeveralMatched } from '../../../models/distil.ts'
import { featurePair, severalStudents } from '../../../models/distil.ts'
import type { Section } from '../../config/section.ts'
import { section } from '../../config/section.ts'
import { writeNetwork } from '../../exchange/huggingface/product.ts'
import { underRoots } from '../../exchange/huggingface/backbone.ts'
import { readPyramid } from '../../exchange/model.ts'
import { readRun } from '../../exchange/run.ts'
import type { Beginning, Trained } from '../../run/experiment.ts'
import type { Numbers } from '../../run/judge.ts'
import type { Backbone, Method } from '../../step/method.ts'
import { anyBackbone, method } from '../../step/method.ts'
import { distilled, firstStudent, ofStudent, productRoot } from '../../step/strategies/distil.ts'
import type { Values } from '../../step/values.ts'
import { networkValues } from '../../step/values.ts'
import type { Learning } from '../learning.ts'
import type { Maker } from '../part.ts'
import type { Asked } from '../parts/network.ts'
import type { Standard } from '../standard.ts'

/** Networks that learn from one that is only read. */
export interface DistilledNetworks<B, T> {
  readonly student: Backbone<B>
  readonly teacher: Backbone<T>
  /** Further students by name: they learn in the same step, for which the teacher runs once. Default: none. */
  readonly others?: Readonly<Record<string, Backbone<B>>>
}

/** The method of such networks. Its product is a moving average of the student, which is compared with the teacher and further students. */
export const distilling = <B, T>({ student, teacher, others = {} }: DistilledNetworks<B, T>, loss: Loss<Matched>): Method => {
  const read = { teacher: { root: 'teacher', isMade: false, ...anyBackbone(teacher) } }
  const names = Object.keys(others)
  if (names.length === 0)
    return method({
      backbone: student,
      pair: featurePair({ student, teacher }),
      loss,
      evaluated: productRoot,
      beside: read,
      roles: distilled,
    })
  const students = { [firstStudent]: student, ...others }
  const pairs = Object.entries(students).map(([name, s]) => [name, featurePair({ student: s, teacher }).student] as const)
  return method({
    backbone: student,
    pair: severalStudents(Object.fromEntries(pairs), featurePair({ student, teacher }).teacher),
    loss: sum<SeveralMatched>(Object.keys(students).map((name) => ofStudent(name)(loss))),
    evaluated: join(productRoot, firstStudent),
    roles: distilled,
    beside: {
      ...read,
      ...Object.fromEntries(names.map((name) => [name, { root: join(productRoot, name), isMade: true, ...anyBackbone(others[name]) }])),
    },
  })
}

/** First values of the teacher: those of a run, or of a Hugging Face folder. */
export const taught = (from: string): TaskEither<Fault, Values> =>
  pipe(
    readPyramid(from),
    TE.chain(
      O.match(
        () =>
          pipe(
            readRun(from, { network: 'teacher', mergeLora: true }),
            TE.map(({ weights }) => weights),
          ),
        ({ weights }) => TE.right(weights),
      ),
    ),
    TE.map((weights) => underRoots({ weights }, ['teacher.backbone'])),
  )

/** k-NN of the networks beside the evaluated one, each as `knn_NAME`; further students get a folder for Hugging Face each. */
export const compared = (t: Trained): TaskEither<Fault, Numbers> =>
  pipe(
    Object.entries(t.assembled.method.beside),
    TE.traverseSeqArray(([name, network]) =>
      pipe(
        network.isMade ? writeNetwork(network, `-${name}`)(t) : TE.right(undefined),
        TE.chain(() => t.accuracyOf(`knn_${name}`, networkValues(network.root)(t.state), network)),
      ),
    ),
    TE.map((all) => all.reduce<Numbers>((whole, x) => ({ ...whole, ...x }), {})),
  )

interface Settings<M, T> {
  readonly model: M
  readonly large: T
}

export interface DistillationParts<M extends object, T extends object, X extends object, B, L> {
  readonly model: Maker<M, (o: Asked) => Backbone<B>>
  /** What the teacher is. */
  readonly large: Maker<T, (o: Asked) => Backbone<L>>
  /** Settings of the loss, and of where the teacher is. */
  readonly settings: Section<X>
  readonly loss: (s: X) => Loss<Matched>
  /** Where the teacher is: a run, or a Hugging Face folder. */
  readonly teacher: (s: Settings<M, T> & X & Standard<unknown>, how: Beginning) => TaskEither<Fault, string>
}

/** Settings `model`, `large` and those given. */
export const distillation = <M extends object, T extends object, X extends object, B, L>(
  o: DistillationParts<M, T, X, B, L>,
): Learning<Settings<M, T> & X> => ({
  settings: section<Settings<M, T>>('distillation', { model: o.model.settings, large: o.large.settings }).and(o.settings),
  method: (s, { channels, augmentation }) => {
    const asked = { channels, image: augmentation.global.size }
    return distilling({ student: o.model.make(s.model)(asked), teacher: o.large.make(s.large)({ ...asked, maskToken: true }) }, o.loss(s))
  },
  begins: ['student'],
  first: (s, how) => pipe(o.teacher(s, how), TE.chain(taught)),
  after: () => compared,
})
