/**
 * LoRA and DoRA as a rewrite of the objective (models/lora.ts for their mathematics).
 *
 * ```
 * before  %y = dot(%x, param student.backbone.blocks.0.mlp.fc1.weight)                    trained; the teacher averages it
 * after   %y = add(dot(%x, param …fc1.weight), dot(dot(%x, param …fc1.lora_A.weight), mul(param …fc1.lora_B.weight, s)))
 *         …fc1.weight fixed and shared with the teacher; lora_A and lora_B trained, the teacher averages them
 * ```
 * The base is everything under `base` (the backbone). What lies outside, the heads, is trained and averaged as before.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import type { Contraction } from '../../../compiler/passes/contraction.ts'
import { alongOutputs, contractionOf, rewriteContractions, through } from '../../../compiler/passes/contraction.ts'
import type { Expr } from '../../../core/expr.ts'
import type { Fault } from '../../../core/fault.ts'
import { fault } from '../../../core/fault.ts'
import type { Graph } from '../../../core/graph.ts'
import { nodesOf } from '../../../core/graph.ts'
import { random } from '../../../core/leaves.ts'
import type { Exprs } from '../../../core/model.ts'
import { declarations, leavesOf } from '../../../core/model.ts'
import { join } from '../../../core/tree.ts'
import { equalShape, isHalf } from '../../../core/type.ts'
import { verify } from '../../../core/verify.ts'
import type { Adapter, AdapterParams, LoraOptions, Standing } from '../../../models/lora.ts'
import { adaptersFor, isSaved, isTrainedWhole, joined, magnitudeScale, moduleOf } from '../../../models/lora.ts'
import { isReadable } from '../../../models/target.ts'
import { add, mul, sub } from '../../../ops/elementwise.ts'
import type { Objective, Resident, View } from '../objective.ts'
import type { Strategy } from './strategy.ts'
import { fixing, networkOf, notThere, thenView, withinNetwork } from './strategy.ts'

export interface LoraStrategy extends LoraOptions {
  /** What is frozen but for its adapters, by path in the network. Default: everything under `backbone.`. */
  readonly base?: (path: string) => boolean
}

const rootOf = (path: string): string => path.slice(0, path.indexOf('.'))

/** The weights under contractions of a network, by path in it. */
const weightsOf = (g: Graph, root: string): ReadonlyMap<string, Contraction> =>
  new Map(
    nodesOf(g).flatMap((e) => {
      const c = contractionOf(e)
      return O.isSome(c) && c.value.path.startsWith(`${root}.`) ? [[withinNetwork(c.value.path), c.value] as const] : []
    }),
  )

/** An adapter's tensors by their path in the network. */
export const tensorsOf = (a: Adapter): ReadonlyArray<readonly [string, Resident['declaration']]> =>
  declarations(a.params).map(([path, d]) => [join(a.module, path), d])

const standing = (root: string, all: ReadonlyArray<Adapter>): ReadonlyArray<Standing> =>
  all.map((adapter) => {
    const leaves: Exprs<AdapterParams> = leavesOf(join(root, adapter.module), adapter.params)
    return { adapter, leaves }
  })

/** What stands in place of a contraction, its input as it is (`x`) and as the adapters see it (`seen`). */
const adapted = (c: Contraction, plain: Expr, all: ReadonlyArray<Standing>, seen: Expr): Expr => {
  const pair = joined(all, c.out)
  const road = through(c, seen, pair.down, pair.up)
  const scale = magnitudeScale(all, c.matrix, pair)
  if (scale === undefined) return add(plain, road)
  const share = alongOutputs(c, plain)(scale)
  if (seen === c.x) return mul(add(plain, road), share)
  // with dropout, PEFT's change of the base sees the dropped input too
  return add(plain, add(mul(c.with(seen, c.matrix), sub(share, 1)), mul(road, share)))
}

/** Every contraction of the networks `roots` with its adapters. Dropout is the student's, and only while it trains. */
const insert =
  (adapters: ReadonlyMap<string, ReadonlyArray<Adapter>>, roots: ReadonlyArray<string>, training: boolean): View =>
  (g) => {
    const draws = new Map<string, number>()
    const dropped = (x: Expr, rate: number, scope: string): Expr => {
      if (rate === 0) return x
      const n = draws.get(scope) ?? 0
      draws.set(scope, n + 1)
      const kept = random(join(scope, n === 0 ? 'lora_dropout' : `lora_dropout${n}`), { _tag: 'Bernoulli', p: 1 - rate }, x.type.shape)
      return mul(x, mul(kept, 1 / (1 - rate)))
    }
    return verify(
      rewriteContractions('lora', (c, plain, scope) => {
        const found = roots.includes(rootOf(c.path)) ? adapters.get(withinNetwork(c.path)) : undefined
        if (found === undefined) return O.none
        const rate = training && rootOf(c.path) === 'student' ? (found[0]?.dropout ?? 0) : 0
        return O.some(adapted(c, plain, standing(rootOf(c.path), found), dropped(c.x, rate, scope)))
      })(g),
    )
  }

const wrong = (found: string, allowed: string, remedy: string): Fault => fault('config', { place: 'lora', found, allowed, remedy })

const isRate = (x: number): boolean => x >= 0 && x < 1
const isRank = (x: number): boolean => Number.isInteger(x) && x > 0

const checked = (o: LoraStrategy): Either<Fault, LoraStrategy> => {
  const rank = [o.rank ?? 8, ...Object.values(o.rankPattern ?? {})].find((r) => !isRank(r))
  if (rank !== undefined) return E.left(wrong(`a rank of ${rank}`, 'whole numbers of at least 1', 'correct the rank'))
  if (!isRate(o.dropout ?? 0)) return E.left(wrong(`a dropout of ${o.dropout ?? 0}`, 'a rate in [0, 1)', 'lower the dropout'))
  const bad = [o.targets, o.exclude ?? [], ...Object.keys(o.rankPattern ?? {}), ...Object.keys(o.alphaPattern ?? {})].find(
    (t) => !isReadable(t),
  )
  return bad === undefined
    ? E.right(o)
    : E.left(wrong(`the expression ${String(bad)}`, 'a regular expression', 'correct the expression, or give a list of suffixes'))
}

const showTargets = (o: LoraStrategy): string =>
  typeof o.targets === 'function' ? 'a predicate' : typeof o.targets === 'string' ? o.targets : o.targets.join(', ')

/** A tensor that a teacher is to average and that is no tensor of the student. */
const anotherNetwork = (o: Objective): string | undefined => {
  const student = networkOf(o, 'student')
  return o.residents.find((r) => {
    const own = r.role === 'average' || r.role === 'shared' ? student.get(withinNetwork(r.path)) : undefined
    return own !== undefined && !equalShape(own.declaration.shape, r.declaration.shape)
  })?.path
}

/** The adapters by the path of their weight. Faults: no module is meant; one is adapted already; contractions that are halved already. */
const planned = (o: LoraStrategy, objective: Objective): Either<Fault, ReadonlyMap<string, ReadonlyArray<Adapter>>> => {
  const isBase = o.base ?? ((path: string): boolean => path.startsWith('backbone.'))
  const student = networkOf(objective, 'student')
  const open = [...weightsOf(objective.graph, 'student')].filter(([path]) => isBase(path) && student.get(path)?.role === 'trained')
  const again = [...student.keys()].find((path) => path.endsWith('.lora_A.weight'))
  if (again !== undefined)
    return E.left(
      wrong(
        `adapters already, such as ${again}`,
        'one LoRA in a pipeline',
        'name all modules in one strategy, with rank and alpha patterns where they differ',
      ),
    )
  if (nodesOf(objective.graph).some((e) => isHalf(e.type.dtype)))
    return E.left(
      wrong(
        'contractions in half precision already, whose weights are rounded copies',
        'adapters before half precision, which rounds their contractions too',
        'let LoRA come first',
      ),
    )
  const other = anotherNetwork(objective)
  if (other !== undefined)
    return E.left(
      wrong(
        `a teacher that is another network: ${other} has another shape there`,
        'a teacher that averages the student, or one that is frozen',
        'freeze the teacher before LoRA (distilled)',
      ),
    )
  const whole = isSaved(o)
  const found = open.flatMap(([path, c]) => {
    const all = whole(moduleOf(path)) ? [] : adaptersFor(o)({ path, out: c.out, inputs: c.inputs, transposed: c.transposed })
    return all.length === 0 ? [] : [[path, all] as const]
  })
  return found.length > 0
    ? E.right(new Map(found))
    : E.left(notThere('lora: targets', showTargets(o), [...new Set(open.map(([path]) => moduleOf(path).split('.').slice(-2).join('.')))]))
}

/** Low-rank adapters on the modules that `targets` names; the base is fixed, stored once and shared with the teacher. */
export const lora =
  (options: LoraStrategy): Strategy =>
  (objective) =>
    pipe(
      checked(options),
      E.chain((o) => planned(o, objective)),
      E.chain((adapters) => {
        const isBase = options.base ?? ((path: string): boolean => path.startsWith('backbone.'))
        const keep = isTrainedWhole(options, new Set([...adapters.keys()].map(moduleOf)))
        const residents = fixing((path) => isBase(path) && !keep(path))(objective.residents)
        const roots = [...new Set(residents.filter((r) => r.role === 'shared').map((r) => rootOf(r.path)))]
        const added = ['student', ...roots].flatMap((root) =>
          [...adapters.values()]
            .flat()
            .flatMap(tensorsOf)
            .map(([path, declaration]): Resident => ({
              path: join(root, path),
              declaration,
              role: root === 'student' ? 'trained' : 'average',
            })),
        )
        return pipe(
          insert(adapters, ['student', ...roots], true)(objective.graph),
          E.map((graph): Objective => ({
            ...objective,
            graph,
            residents: [...residents, ...added],
            adapters: [...adapters.values()].flat(),
            view: thenView(objective.view, insert(adapters, ['student', ...roots], false)),
          })),
        )
      }),
    )

/** LoRA whose weights keep trained norms. */
export const dora = (o: LoraStrategy): Strategy => lora({ ...o, dora: true })
