/** Weighted k-NN evaluation: votes and predictions by DINO's rule, class probabilities by DINOv2's. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import type { LabelledFeatures } from '../../../train/judge/evaluate/knn.ts'
import { knn } from '../../../train/judge/evaluate/knn.ts'
import type { Case } from '../case.ts'
import { configOf, floats, ints } from '../case.ts'
import type { Computed, Kind } from '../kind.ts'

const config = t.intersection([t.type({ dim: t.number, num_classes: t.number, k: t.readonlyArray(t.number) }), t.partial({ T: t.number })])

const featuresOf = (c: Case, set: string, dim: number): Either<Fault, LabelledFeatures> =>
  pipe(
    E.Do,
    E.bind('data', () => floats(c, `in/${set}_features`)),
    E.bind('labels', () => ints(c, `in/${set}_labels`)),
    E.map(({ data, labels }) => ({ data, labels, dim })),
  )

const computed = (c: Case): Either<Fault, Computed> =>
  pipe(
    E.Do,
    E.bind('o', () => configOf(config, c)),
    E.bind('train', ({ o }) => featuresOf(c, 'train', o.dim)),
    E.bind('test', ({ o }) => featuresOf(c, 'test', o.dim)),
    E.bind('v1', ({ o, train, test }) =>
      knn({ k: o.k, classes: o.num_classes, temperature: o.T ?? 0.07, votes: 'v1', normalise: false }, train)(test),
    ),
    E.bind('v2', ({ o, train, test }) =>
      knn({ k: o.k, classes: o.num_classes, temperature: o.T ?? 0.07, votes: 'v2', normalise: false }, train)(test),
    ),
    E.map(
      ({ v1, v2 }) =>
        new Map<string, ArrayLike<number>>([
          ...v1.flatMap(
            (r) =>
              [
                [`out/k${r.k}/votes`, r.votes],
                [`out/k${r.k}/pred`, r.predictions],
              ] as const,
          ),
          ...v2.map((r) => [`out/v2_k${r.k}/probs`, r.votes] as const),
        ]),
    ),
  )

export const kind: Kind = (c) => TE.fromEither(computed(c))
