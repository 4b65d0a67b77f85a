/** The two ways in which learned positions are read at other grids. */
import type { Position } from '../options.ts'
import { learned, learnedAntialiased } from '../options.ts'
import type { HuggingFaceType } from './types.ts'

/**
 * How positions are read at other grids: as the official code does, or as transformers does, which for `vit` and `dinov2` is another way.
 */
export const dialects = ['official', 'huggingface'] as const

export type Dialect = (typeof dialects)[number]

/** The positions of each type that has learned ones, by dialect. */
export const positions: Readonly<Record<Exclude<HuggingFaceType, 'dinov3_vit'>, Readonly<Record<Dialect, Position>>>> = {
  vit: { official: learned, huggingface: { kind: 'learned', offset: 0 } },
  dinov2: { official: learned, huggingface: { kind: 'learned', offset: 0 } },
  dinov2_with_registers: { official: learnedAntialiased, huggingface: learnedAntialiased },
}
