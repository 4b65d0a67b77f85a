/**
 * Parameter groups: the shares of learning rate and weight decay of every parameter. The case's facts list the official
 * names; for DINO our own model gives them.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import { declarations, param, zeros } from '../../../core/model.ts'
import { dinov1 } from '../../../models/dino.ts'
import { head } from '../../../models/head.ts'
import { vit } from '../../../models/vit.ts'
import type { GroupRule } from '../../../train/step/groups.ts'
import { v1Groups, v2Groups, v3Groups } from '../../../train/step/groups.ts'
import { isLastLayer } from '../../support/last-layer.ts'
import { decodeAs } from '../../../data/formats/codec.ts'
import type { Case } from '../case.ts'
import { configOf } from '../case.ts'
import type { Computed, Kind } from '../kind.ts'

const depth = t.type({ depth: t.number })
const config = t.intersection([t.type({ decay: t.number }), t.partial({ patch_mult: t.number, head_wd: t.number, v2: depth, v3: depth })])
type Config = t.TypeOf<typeof config>

/** Name, share of the rate, share of the decay, and whether it is of the last layer. */
const row = t.tuple([t.string, t.number, t.number, t.boolean])
type Row = t.TypeOf<typeof row>

const groups = t.type({ regularized: t.readonlyArray(t.string), not_regularized: t.readonlyArray(t.string) })

const differs = (place: string, found: string, allowed: string): Fault =>
  fault('data', { place, found, allowed, remedy: 'correct the rule in train/step/groups.ts' })

const remedy = 'write the facts as the fixtures do'

/** DINO's two groups of our own model, of as many blocks as the facts name. */
const checkV1 = (c: Case, fact: string): Either<Fault, void> =>
  pipe(
    decodeAs(groups, 'data', `${c.name}: ${fact}`, remedy)(c.facts[fact]),
    E.chain((g) => {
      const names = [...g.regularized, ...g.not_regularized]
      const blocks = new Set(names.map((n) => /^backbone\.blocks\.(\d+)\./.exec(n)?.[1]).filter((b) => b !== undefined)).size
      const layers = names.filter((n) => /^head\.mlp(\.\d+)?\.weight$/.test(n)).length
      const { student } = dinov1({
        backbone: vit({ image: 16, patch: 8, width: 8, depth: blocks, heads: 1 }),
        head: head({ in: 8, prototypes: 8, hidden: 8, bottleneck: 4, layers, normLastLayer: fact.endsWith('True') }),
      })
      const trained = declarations(student.params).filter(([, d]) => d.trainable)
      const ours = (share: number): string =>
        trained
          .filter(([path, declaration]) => v1Groups({ path, declaration }).decay === share)
          .map(([path]) => path)
          .join(' ')
      return ours(1) !== g.regularized.join(' ')
        ? E.left(differs(`${c.name}: ${fact}`, ours(1), g.regularized.join(' ')))
        : ours(0) !== g.not_regularized.join(' ')
          ? E.left(differs(`${c.name}: ${fact}`, ours(0), g.not_regularized.join(' ')))
          : E.right(undefined)
    }),
  )

const shapeless = param([1, 1], zeros)

/** Our shares for the names of a fact; those of the decay and the last layers must be the fact's. */
const ratesOf = (c: Case, o: Config, fact: string): Either<Fault, readonly [string, ReadonlyArray<number>]> =>
  pipe(
    decodeAs(t.readonlyArray(row), 'data', `${c.name}: ${fact}`, remedy)(c.facts[fact]),
    E.chain((rows) => {
      const v3 = fact.startsWith('v3')
      const blocks = fact.includes('backbone') ? ((v3 ? o.v3 : o.v2)?.depth ?? 0) : 0
      const options = { decay: o.decay, blocks, patchEmbed: o.patch_mult ?? 1 }
      const rule: GroupRule = v3 ? v3Groups(options) : v2Groups(options)
      const of = (name: string): ReturnType<GroupRule> => rule({ path: name, declaration: shapeless })
      const wrong = rows.find(([name, rate, decay, last]: Row) => {
        const m = of(name)
        return Math.abs(m.rate - rate) > 1e-9 * rate || m.decay !== decay || isLastLayer({ path: name }) !== last
      })
      return wrong === undefined
        ? E.right([`out/${fact}_lr`, rows.map(([name]) => of(name).rate)] as const)
        : E.left(differs(`${c.name}: ${fact}`, `${wrong[0]}: ${JSON.stringify(of(wrong[0]))}`, JSON.stringify(wrong)))
    }),
  )

const computed = (c: Case): Either<Fault, Computed> =>
  pipe(
    E.Do,
    E.bind('o', () => configOf(config, c)),
    E.chainFirst(() =>
      pipe(
        Object.keys(c.facts).filter((f) => f.startsWith('v1')),
        E.traverseArray((f) => checkV1(c, f)),
      ),
    ),
    E.chain(({ o }) =>
      pipe(
        Object.keys(c.facts).filter((f) => /^v[23]_/.test(f)),
        E.traverseArray((f) => ratesOf(c, o, f)),
      ),
    ),
    E.map((all) => new Map(all)),
  )

export const kind: Kind = (c) => TE.fromEither(computed(c))
