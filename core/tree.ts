/**
 * Trees: plain nested records and arrays whose leaves are of one kind. Models, states and feature records are trees;
 * a leaf's path joins the keys with dots (`blocks.3.attn.qkv.weight`).
 */

export type Tree<A> = A | ReadonlyArray<Tree<A>> | { readonly [key: string]: Tree<A> }

/** A tree of the same shape with other leaves: `params.blocks[3].attn.qkv.weight` stays known to the editor. */
export type MapTree<T, A, B> = T extends A ? B : { readonly [K in keyof T]: MapTree<T[K], A, B> }

export const join = (path: string, key: string | number): string => (path === '' ? `${key}` : `${path}.${key}`)

export type IsLeaf<A> = (x: unknown) => x is A

const isRecord = (x: unknown): x is { readonly [key: string]: unknown } => typeof x === 'object' && x !== null

/** The leaves with their paths, in order of the keys as written. */
export const flatten =
  <A>(isLeaf: IsLeaf<A>) =>
  (tree: unknown): ReadonlyArray<readonly [string, A]> => {
    const out: Array<readonly [string, A]> = []
    const walk = (path: string, t: unknown): void => {
      if (isLeaf(t)) out.push([path, t])
      else if (Array.isArray(t))
        t.forEach((x, i) => {
          walk(join(path, i), x)
        })
      else if (isRecord(t)) for (const k of Object.keys(t)) walk(join(path, k), t[k])
    }
    walk('', tree)
    return out
  }

/** Maps every leaf, with its path. The result has the shape of the argument (law: `mapTree` of identity is identity). */
export function mapTree<T, A, B>(isLeaf: IsLeaf<A>, f: (a: A, path: string) => B, tree: T, path?: string): MapTree<T, A, B>
export function mapTree<A, B>(isLeaf: IsLeaf<A>, f: (a: A, path: string) => B, tree: unknown, path = ''): unknown {
  if (isLeaf(tree)) return f(tree, path)
  if (Array.isArray(tree)) return tree.map((x: unknown, i): unknown => mapTree(isLeaf, f, x, join(path, i)))
  if (isRecord(tree)) return Object.fromEntries(Object.keys(tree).map((k) => [k, mapTree(isLeaf, f, tree[k], join(path, k))]))
  return tree
}
