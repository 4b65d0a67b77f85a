/** Gram anchoring and its own teacher as settings (Siméoni et al. 2025, section 4.2). */
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Fault } from '../../../core/fault.ts'
import type { Augmentation } from '../../../data/augment/augmentation.ts'
import type { GramOptions } from '../../../losses/gram.ts'
import { refreshAnchor, refreshDue } from '../../run/anchor.ts'
import type { ValueOf } from '../../config/field.ts'
import { flag, oneOf, real, share, whole } from '../../config/field.ts'
import { section } from '../../config/section.ts'
import type { Ongoing } from '../../run/experiment.ts'
import type { Schedule } from '../../step/schedule.ts'
import { constant } from '../../step/schedule.ts'

export const anchorSettings = section(
  'Gram anchoring: patches keep the relations that they have in a teacher',
  {
    weight: real(2, 'weight of the loss; 0: none', { min: 0 }),
    localWeight: share(0.5, 'weight of the local crops beside it'),
    teacher: oneOf(['copy', 'average'], 'a copy of the teacher, which is renewed at times, or the teacher as it is'),
    size: whole(0, 'pixels of the crops that the copy sees, undistorted; 0: the global crops'),
    antialias: flag(false, "whether its features are brought to the student's grid with antialias"),
    every: whole(10000, 'steps from one renewal of the copy to the next; the first is when anchoring begins', { min: 1 }),
    times: whole(3, 'renewals at most', { min: 1 }),
    level: oneOf(['image', 'batch'], 'relations within an image, or within the whole batch'),
    tokens: oneOf(['all', 'masked', 'unmasked'], 'which patches; hidden ones alone, or the others, at batch level'),
    negatives: oneOf(
      ['keep', 'remove', 'remove-teacher', 'remove-teacher-intended'],
      'what becomes of negative products; remove-teacher is as DINOv3 is released, its comment intends the other',
    ),
  },
  [
    {
      at: 'tokens',
      of: ['tokens', 'level'],
      holds: (a) => a.tokens === 'all' || a.level === 'batch',
      allowed: () => 'all, at level image',
      remedy: 'choose level: batch for masked or unmasked patches',
    },
  ],
)

export type Anchoring = ValueOf<typeof anchorSettings>

export const gramOf = (a: Anchoring): GramOptions => ({ level: a.level, tokens: a.tokens, negatives: a.negatives })

/** Whether there is a copy to keep. */
export const hasCopy = (a: Anchoring): boolean => a.weight > 0 && a.teacher === 'copy'

/** An augmentation with the crops that the copy sees. */
export const withAnchorCrops =
  (a: Anchoring) =>
  (r: Augmentation): Augmentation =>
    hasCopy(a) && a.size > 0 ? { ...r, gram: { size: a.size } } : r

/** `gram_weight`, and `local_weight`: 1 where nothing is anchored. */
export const anchorHypers = (a: Anchoring): Readonly<Record<'gram_weight' | 'local_weight', Schedule>> => ({
  gram_weight: constant(a.weight),
  local_weight: constant(a.weight > 0 ? a.localWeight : 1),
})

/** Renews the copy before the steps at which that is due; the first is that with which anchoring begins. */
export const renewals =
  (a: Anchoring, begins: number) =>
  ({ device, assembled, say }: Ongoing) => {
    const due = refreshDue({ first: begins, every: a.every, times: a.times })
    return (step: number): TaskEither<Fault, void> =>
      !hasCopy(a) || !due(step - 1)
        ? TE.right(undefined)
        : pipe(
            refreshAnchor(device, assembled.residents),
            TE.map(() => {
              say(`step ${step}: the Gram teacher is a copy of the teacher now`)
            }),
          )
  }
