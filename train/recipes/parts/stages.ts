/** The stages of DINOv3 as settings: pretraining, Gram anchoring, larger images (Siméoni et al. 2025, sections 3 to 5). */
import type { ValueOf } from '../../config/field.ts'
import { share, whole } from '../../config/field.ts'
import { section } from '../../config/section.ts'
import type { Phase } from '../../run/phases.ts'
import type { Anchoring } from './anchor.ts'
import type { Crops } from './crops.ts'

export const stageSettings = section('when the stages after pretraining begin', {
  anchoring: share(0.6, 'share of the steps before Gram anchoring begins; 1: never'),
  larger: share(0.85, 'share of the steps before images are larger; 1: never'),
})

export const largerSettings = section('high-resolution adaptation', {
  globalSize: whole(512, 'pixels along the side of global crops', { min: 5 }),
  localSize: whole(112, 'pixels along the side of local crops', { min: 5 }),
  anchorSize: whole(768, 'pixels of the crops that the copy of the teacher sees; 0: the global crops'),
})

export type Stages = ValueOf<typeof stageSettings>
export type Larger = ValueOf<typeof largerSettings>

/** What the stages change. */
export interface Staged {
  readonly steps: number
  readonly stages: Stages
  readonly augmentation: Crops
  readonly anchor: Anchoring
  readonly larger: Larger
}

/** Crops, and those of the anchor, at the sizes of the last stage. */
export const enlarged = <S extends Staged>(s: S): S => ({
  ...s,
  augmentation: { ...s.augmentation, globalSize: s.larger.globalSize, localSize: s.larger.localSize },
  anchor: { ...s.anchor, size: s.larger.anchorSize },
})

/** Without anchoring. */
const free = <S extends Staged>(s: S): S => ({ ...s, anchor: { ...s.anchor, weight: 0 } })

/** The stages of a run, as phases; those that begin together are one, the last of them. */
export const stagesOf = <S extends Staged>(s: S): ReadonlyArray<Phase<S>> => {
  const at = (part: number): number => Math.round(s.steps * part)
  const [anchored, enlargedFrom] = [at(s.stages.anchoring), at(s.stages.larger)]
  const settingsAt = (step: number): S =>
    [...(step < anchored ? [free<S>] : []), ...(step >= enlargedFrom ? [enlarged<S>] : [])].reduce((x, f) => f(x), s)
  const name = (step: number): string =>
    [step < anchored ? 'pretraining' : 'Gram anchoring', ...(step >= enlargedFrom ? ['larger images'] : [])].join(', ')
  const begins = [...new Set([0, anchored, enlargedFrom])].filter((from) => from === 0 || from < s.steps).sort((a, b) => a - b)
  return begins.map((from) => ({ name: name(from), from, settings: settingsAt(from) }))
}
