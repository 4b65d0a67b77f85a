/** The tokens of a ViT before its first block: class token, registers and patches, with masks and learned positions. */
import type { Expr } from '../core/expr.ts'
import type { Declaration, Exprs, Init } from '../core/model.ts'
import { normal, param, truncNormal, zeros } from '../core/model.ts'
import { misuse } from '../core/primitive.ts'
import { equalShape } from '../core/type.ts'
import { broadcastTo } from '../ops/broadcast.ts'
import { add, where } from '../ops/elementwise.ts'
import { expandDims } from '../ops/reshape.ts'
import { concat, slice } from '../ops/window.ts'
import { hiddenBy } from './patch.ts'

/** Whose names and first values tokens have: DINO, DINOv2 or DINOv3. */
export type Generation = 1 | 2 | 3

export interface TokenParams {
  /** `[1, 1, D]` */
  readonly cls_token: Declaration
  /** `[1, 1 + grid², D]`: class token first, then patches, row-major. */
  readonly pos_embed?: Declaration
  /** `[1, R, D]`, as DINOv2 calls them. */
  readonly register_tokens?: Declaration
  /** `[1, R, D]`, as DINOv3 calls them. */
  readonly storage_tokens?: Declaration
  /** `[1, D]` */
  readonly mask_token?: Declaration
}

export interface TokenOptions {
  readonly generation: Generation
  readonly width: number
  readonly registers: number
  readonly maskToken: boolean
  /** Rows of the learned position embedding; 0 for none. */
  readonly positions: number
  /** Standard deviation that they begin with. */
  readonly positionStd: number
}

const inits: Readonly<Record<Generation, { readonly cls: Init; readonly registers: Init }>> = {
  1: { cls: truncNormal(0.02), registers: normal(1e-6) },
  2: { cls: normal(1e-6), registers: normal(1e-6) },
  3: { cls: normal(0.02), registers: normal(0.02) },
}

/** The declarations, in the official order. */
export const tokenParams = (o: TokenOptions): TokenParams => {
  const { cls, registers } = inits[o.generation]
  const held = o.registers > 0 ? param([1, o.registers, o.width], registers) : undefined
  return {
    cls_token: param([1, 1, o.width], cls),
    ...(o.positions > 0 ? { pos_embed: param([1, o.positions, o.width], truncNormal(o.positionStd)) } : {}),
    ...(held === undefined ? {} : o.generation === 3 ? { storage_tokens: held } : { register_tokens: held }),
    ...(o.maskToken ? { mask_token: param([1, o.width], zeros) } : {}),
  }
}

/**
 * Patches `[B, N, D]` with the mask token where the mask `[B, N]` (bool, or numbers that are not 0) says so. Faults: a mask of another
 * shape, and a model without a mask token.
 */
export const maskedPatches = (patches: Expr, mask: Expr | undefined, token: Expr | undefined): Expr => {
  if (mask === undefined) return patches
  if (token === undefined)
    return misuse('mask', [patches, mask], {
      allowed: 'masks for a backbone that has a mask token',
      remedy: 'make the backbone with maskToken: true',
    })
  if (!equalShape(mask.type.shape, patches.type.shape.slice(0, 2)))
    return misuse('mask', [patches, mask], {
      allowed: 'a mask [B, N] with one entry for each patch',
      remedy: 'make the masks for the patch grid of these images',
    })
  return where(expandDims(-1)(hiddenBy(mask)), token, patches)
}

/** [class token, registers, patches] `[B, 1 + R + N, D]`. `position [1, 1 + N, D]` is added before registers, which have no place, join. */
export const assembled = (p: Exprs<TokenParams>, patches: Expr, position: Expr | undefined): Expr => {
  const [batch, , width] = patches.type.shape
  const repeated = (token: Expr): Expr => broadcastTo([batch, token.type.shape[1] ?? 1, width])(token)
  const plain = concat(1)([repeated(p.cls_token), patches])
  const placed = position === undefined ? plain : add(plain, position)
  const registers = p.register_tokens ?? p.storage_tokens
  return registers === undefined ? placed : concat(1)([slice(1, 0, 1)(placed), repeated(registers), slice(1, 1)(placed)])
}
