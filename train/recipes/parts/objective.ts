/** Objectives as settings: what a student learns. */
import type { ValueOf } from '../../config/field.ts'
import { oneOf, real, share, table, text, whole } from '../../config/field.ts'
import { section, variants } from '../../config/section.ts'
import { hiddenSettings } from './masks.ts'
import { anyNetworkSettings } from './any-network.ts'

const weight = (initial: number, about: string) => real(initial, about, { min: 0 })

const patchHead = oneOf(['own', 'shared'], 'whether hidden patches have a head of their own')

export const objective = variants(
  'what is learned',
  {
    dinov1: section('DINO: what the teacher says of other crops', {
      centring: oneOf(['centre', 'sinkhorn'], 'how the targets are balanced'),
      studentTemperature: real(0.1, 'of the student', { above: 0 }),
      centreMomentum: share(0.9, 'centre: share of the old one in the new one'),
      koleo: weight(0, 'weight of KoLeo, which the paper does not have: 0.1 holds the features of small batches apart'),
    }),
    dinov2: section('DINO between crops, iBOT on hidden patches, KoLeo', {
      centring: oneOf(['sinkhorn', 'centre'], 'how the targets are balanced'),
      dino: weight(1, 'weight of DINO'),
      ibot: weight(1, 'weight of iBOT'),
      koleo: weight(0.1, 'weight of KoLeo'),
      patchHead,
      masks: hiddenSettings,
    }),
    dinov3: section('as DINOv2 with Sinkhorn targets, plain prototypes and exact masks', {
      dino: weight(1, 'weight of DINO'),
      ibot: weight(1, 'weight of iBOT'),
      koleo: weight(0.1, 'weight of KoLeo'),
      neighbours: whole(1, 'nearest neighbours of KoLeo', { min: 1 }),
      patchHead,
      masks: hiddenSettings.with({ sampler: 'exact' }),
    }),
    distil: section('the features of another network, which is frozen', {
      teacher: text('', 'a run, or a Hugging Face folder, that holds it'),
      network: anyNetworkSettings,
      cls: weight(1, 'weight of class tokens'),
      patches: weight(0.5, 'weight of patches'),
      relation: weight(1, 'weight of relations between images'),
      students: table(
        anyNetworkSettings,
        {},
        'further students by name, each as "model" is: they learn in the same step, the teacher runs once',
      ),
      distance: oneOf(['cosine', 'squared'], 'between features'),
    }),
  },
  'dinov2',
)

export type Objective = ValueOf<typeof objective>
export type ObjectiveOf<K extends Objective['kind']> = Extract<Objective, { readonly kind: K }>
