/** The kinds of backbones with stages. */
import { convnexts } from './convnext.ts'
import type { Family } from './family.ts'
import { swins } from './swin.ts'
import type { PyramidType } from './types.ts'

export const familyOfType: Readonly<Record<PyramidType, Family>> = { swin: swins.family, dinov3_convnext: convnexts.family }

export const families: ReadonlyArray<Family> = Object.values(familyOfType)
