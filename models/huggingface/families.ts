/** The kinds of backbones with stages. */
import { convnexts } from './convnext.ts'
import type { Family } from './family.ts'
import { swins } from './swin.ts'

export const families: ReadonlyArray<Family> = [swins.family, convnexts.family]
