/**
 * What is done to a forward graph before its gradients are taken: what is found here has an adjoint of its own, or is not computed at all.
 */
import type { Rewrite } from '../../core/rewrite.ts'
import { getMonoid } from '../../core/rewrite.ts'
import { recogniseAttention } from './attention.ts'
import { narrow } from './narrow.ts'

export const beforeGradients: Rewrite<'forward'> = getMonoid('forward').concat(recogniseAttention, narrow)
