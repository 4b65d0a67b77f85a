/** How large a model is. */
import { declarations } from '../core/model.ts'
import { sizeOf } from '../core/type.ts'

/** Numbers in all parameters of a tree, trained or not. */
export const parameterCount = (params: unknown): number => declarations(params).reduce((n, [, d]) => n + sizeOf(d.shape), 0)
