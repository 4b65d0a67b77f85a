/**
 * Strategies: rewrites of the forward stage, which change the objective's graph and the roles of its tensors together. They are a
 * Monoid: `concat(f, g)` is f, then g, and the graph is verified after each.
 *
 *     pipe(trainingStep(…), rewriteForward(strategies([freeze({ prefix: 2 }), lora({ targets: ['attn.qkv'] })])), derive)
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { Monoid } from 'fp-ts/lib/Monoid.js'
import { concatAll } from 'fp-ts/lib/Monoid.js'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { sizeOf } from '../../../core/type.ts'
import { verify } from '../../../core/verify.ts'
import { nearest } from '../../config/spelling.ts'
import type { Objective, Resident, Role, View } from '../objective.ts'

export type Strategy = (o: Objective) => Either<Fault, Objective>

const verified: Strategy = (o) =>
  pipe(
    verify(o.graph),
    E.map((graph) => ({ ...o, graph })),
  )

/** Laws, tested: `none` is neutral, `concat` is associative. */
export const strategyMonoid: Monoid<Strategy> = {
  empty: E.right,
  concat: (f, g) => (o) => pipe(f(o), E.chain(verified), E.chain(g), E.chain(verified)),
}

/** Nothing changes. */
export const noStrategy: Strategy = strategyMonoid.empty

export const strategies: (of: ReadonlyArray<Strategy>) => Strategy = concatAll(strategyMonoid)

/** A path without its network: `student.backbone.norm.weight` -> `backbone.norm.weight`. */
export const withinNetwork = (path: string): string => path.slice(path.indexOf('.') + 1)

/** The residents of a network by their path in it. */
export const networkOf = (o: Objective, root: string): ReadonlyMap<string, Resident> =>
  new Map(o.residents.filter((r) => r.path.startsWith(`${root}.`)).map((r) => [withinNetwork(r.path), r]))

/**
 * The student's trained tensors that `still` names are fixed, and who averages them shares them: their average never differs, since
 * an average begins equal to its student.
 */
export const fixing =
  (still: (path: string) => boolean) =>
  (residents: ReadonlyArray<Resident>): ReadonlyArray<Resident> => {
    const student = new Map(residents.filter((r) => r.path.startsWith('student.')).map((r) => [withinNetwork(r.path), r]))
    const isFixed = (path: string): boolean => {
      const r = student.get(path)
      return r !== undefined && still(path) && (r.role === 'trained' || r.role === 'fixed')
    }
    const roleOf = (r: Resident): Role => {
      if (!isFixed(withinNetwork(r.path))) return r.role
      return r.path.startsWith('student.') ? 'fixed' : r.role === 'average' ? 'shared' : r.role
    }
    return residents.map((r) => ({ ...r, role: roleOf(r) }))
  }

/** One view after the other. */
export const thenView =
  (first: View | undefined, second: View): View =>
  (g) =>
    pipe(first === undefined ? E.right(g) : first(g), E.chain(second))

/** What a strategy asked for is not in the network. */
export const notThere = (place: string, asked: string, names: ReadonlyArray<string>): Fault => {
  const close = nearest(asked, names)
  const some = names.length > 12 ? `${names.slice(0, 12).join(', ')}, … (${names.length})` : names.join(', ')
  return fault('config', {
    place,
    found: `nothing of this kind: ${asked}`,
    allowed: some === '' ? 'a network that has such parts' : some,
    remedy: close === undefined ? 'name parts of the network' : `did you mean ${close}?`,
  })
}

/** Numbers that a step trains, of those tensors that `of` names by their path in the network. */
export const trainedCount = (p: { readonly residents: ReadonlyArray<Resident> }, of: (path: string) => boolean = () => true): number =>
  p.residents.filter((r) => r.role === 'trained' && of(withinNetwork(r.path))).reduce((n, r) => n + sizeOf(r.declaration.shape), 0)
