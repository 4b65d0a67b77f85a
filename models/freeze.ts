/**
 * Which parameters of a network are frozen, by their official names (`backbone.blocks.0.attn.qkv.weight`). A frozen parameter has no
 * gradient, no optimizer state and no decay, and its block drops no paths.
 */

/** Blocks by number: all before one, or a list. */
export type Blocks = { readonly before: number } | ReadonlyArray<number>

export interface FreezeOptions {
  /** All that comes before block k, and blocks 0 .. k-1: patch embedding, position and tokens included. */
  readonly prefix?: number
  readonly blocks?: Blocks
  readonly patchEmbed?: boolean
  /** The position embedding. */
  readonly position?: boolean
  /** Class, register, storage and mask tokens. */
  readonly tokens?: boolean
  /** All normalisations of the backbone. */
  readonly norms?: boolean
  /** Paths: an expression for a part of them, as `String.match` reads it. */
  readonly paths?: RegExp
}

/** Block numbers by path; chunked models write `blocks.<chunk>.<block>`. */
export const blockOf = (path: string): number | undefined => {
  const found = /(?:^|\.)blocks\.(?:\d+\.)*?(\d+)(?=\.(?!\d)|$)/.exec(path)
  return found === null ? undefined : Number(found[1])
}

/** A block of a network by a text that has its name as a whole part: a path, a scope, the path of a draw. */
export const isInBlocks =
  (blocks: Blocks) =>
  (path: string): boolean => {
    const n = blockOf(path)
    return n !== undefined && ('before' in blocks ? n < blocks.before : blocks.includes(n))
  }

const isPatchEmbed = (path: string): boolean => /(?:^|\.)patch_embed\./.test(path)
const isPosition = (path: string): boolean => /(?:^|\.)(?:pos_embed|rope_embed)(?:\.|$)/.test(path)
const isToken = (path: string): boolean => /(?:^|\.)(?:cls_token|mask_token|register_tokens|storage_tokens)$/.test(path)
const isNorm = (path: string): boolean => /^(?:[^.]+\.)?backbone\.(?:.*\.)?[^.]*norm[^.]*\.(?:weight|bias)$/.test(path)

/** The blocks that are frozen as a whole. */
export const frozenBlocks = (o: FreezeOptions): ((path: string) => boolean) => {
  const named = isInBlocks(o.blocks ?? [])
  const before = isInBlocks({ before: o.prefix ?? 0 })
  return (path) => named(path) || before(path)
}

/** Whether a parameter is frozen. */
export const isFrozen = (o: FreezeOptions): ((path: string) => boolean) => {
  const inBlocks = frozenBlocks(o)
  const prefix = o.prefix !== undefined
  return (path) =>
    inBlocks(path) ||
    ((o.patchEmbed === true || prefix) && isPatchEmbed(path)) ||
    ((o.position === true || prefix) && isPosition(path)) ||
    ((o.tokens === true || prefix) && isToken(path)) ||
    (o.norms === true && isNorm(path)) ||
    (o.paths !== undefined && path.search(o.paths) >= 0)
}
