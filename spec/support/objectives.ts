/** What random networks are trained for: heads and sums of losses over class token, registers and patches. */
import type { Expr } from '../../core/expr.ts'
import type { Output } from '../../core/graph.ts'
import { state, value } from '../../core/graph.ts'
import { resident } from '../../core/leaves.ts'
import { context } from '../../core/model.ts'
import { add, mul, square, sub } from '../../ops/elementwise.ts'
import { crossEntropy, softmax } from '../../ops/nn.ts'
import { mean } from '../../ops/reduce.ts'
import { reshape } from '../../ops/reshape.ts'
import { pick, slice } from '../../ops/window.ts'
import { dino } from '../../losses/dino.ts'
import { distilClass } from '../../losses/distil.ts'
import { gram } from '../../losses/gram.ts'
import { ibot } from '../../losses/ibot.ts'
import { koleo } from '../../losses/koleo.ts'
import type { Loss } from '../../losses/loss.ts'
import { total } from '../../losses/loss.ts'
import { sinkhorn } from '../../losses/sinkhorn.ts'
import { head, plainHead } from '../../models/head.ts'
import type { Chooser } from './generator.ts'
import type { Parameters } from './parameters.ts'
import type { Sizes } from './sizes.ts'
import { input, tensor } from './tensor.ts'

export interface Objective {
  readonly loss: Expr
  readonly outputs: ReadonlyArray<Output>
}

/** Features `[B, T, D]` by group. */
interface Seen {
  readonly cls: Expr
  readonly patches: Expr
  readonly all: Expr
}

interface Place {
  readonly c: Chooser
  readonly sizes: Sizes
  readonly parameters: Parameters
  readonly seen: Seen
}

const given = (p: Place, path: string, shape: ReadonlyArray<number>): Expr => {
  p.parameters.give(path, shape)
  return input(path, shape)
}

/** Runs a loss with the state that it keeps. */
const kept = <F>(p: Place, loss: Loss<F>, features: F): Objective => {
  for (const [path, d] of loss.state) p.parameters.give(path, d.shape)
  const held = new Map([...loss.state].map(([path, d]) => [path, resident(path, d)] as const))
  const [outcome, next] = loss.run(features)(held)
  return {
    loss: total(outcome),
    outputs: [...outcome.metrics.map((m) => value(`metrics.${m.name}`, m.value)), ...[...next].map(([path, x]) => state(path, x))],
  }
}

const temperature = (p: Place): void => {
  p.parameters.set('hyper.teacher_temp', tensor('f32', [], [Math.fround(p.c.of([0.5, 1, 0.2]))]))
}

const prototypes = 11
const temperatures = [1, 0.5, 0.1]

const logitsOf = (p: Place, name: string, rows: Expr): Expr => {
  const o = { in: p.sizes.width, prototypes, layers: 1 + p.c.nat(3), hidden: p.c.of([7, 16]), bottleneck: p.c.of([5, 8]), bias: p.c.bit() }
  const weighed = head({ ...o, normLastLayer: p.c.bit() })
  const plain = plainHead(o)
  return p.c.nat(3) === 0
    ? plain.apply(context('train'), p.parameters.of(name, plain.params))(rows).logits
    : weighed.apply(context('train'), p.parameters.of(name, weighed.params))(rows).logits
}

const classified = (p: Place): Objective => {
  const logits = logitsOf(p, 'head', p.c.bit() ? p.seen.cls : reshape([-1, p.sizes.width])(p.seen.all))
  const targets = softmax(-1)(given(p, 'targets', logits.type.shape))
  return { loss: mean()(crossEntropy(logits, targets)), outputs: [value('logits', logits)] }
}

const selfDistilled = (p: Place): Objective => {
  temperature(p)
  const logits = logitsOf(p, 'dino_head', p.seen.cls)
  const teacher = given(p, 'teacher_logits', logits.type.shape)
  // as many crops of one image as the batch has rows
  return kept(
    p,
    dino({
      prototypes,
      studentTemperature: p.c.of(temperatures),
      split: p.c.bit(),
      same: p.sizes.batch === 1 || p.c.bit() ? 'keep' : 'skip',
      ...(p.c.bit() ? { centring: sinkhorn({ iterations: 2 }) } : {}),
    }),
    { images: 1, student: { global: { logits } }, teacher: { global: { logits: teacher } } },
  )
}

const hidden = (p: Place): Objective => {
  temperature(p)
  const { batch, patches } = p.sizes
  const rows = batch * patches
  const logits = logitsOf(p, 'ibot_head', reshape([rows, p.sizes.width])(p.seen.patches))
  // every third row counts, the others are padding
  p.parameters.set(
    'weights',
    tensor(
      'f32',
      [rows],
      Array.from({ length: rows }, (_, i) => (i % 3 === 0 ? 0.5 : 0)),
    ),
  )
  return kept(p, ibot({ prototypes, studentTemperature: p.c.of(temperatures), ...(p.c.bit() ? { centring: sinkhorn() } : {}) }), {
    student: { masked: { logits, weights: input('weights', [rows]), mask: input('hidden', [batch, patches], 'bool') } },
    teacher: { masked: { logits: given(p, 'teacher_patch_logits', [rows, prototypes]) } },
  })
}

/** Class tokens of different images may be alike; the means of their patches are not. */
const spread = (p: Place): Objective => {
  const cls = mean({ axes: [1] })(p.seen.patches)
  return p.sizes.batch === 1
    ? { loss: mean()(square(cls)), outputs: [] }
    : kept(p, koleo(), { images: p.sizes.batch, student: { global: { cls } }, teacher: { global: { cls } } })
}

const anchored = (p: Place): Objective => {
  const patches = p.seen.patches
  return kept(p, gram({ normalize: p.c.bit(), level: p.c.of(['image', 'batch'] as const) }), {
    student: { global: { patches } },
    teacher: { gram: { patches: given(p, 'gram_patches', patches.type.shape) } },
  })
}

const drawn = (p: Place): Objective => {
  const { cls } = p.seen
  const teacher = given(p, 'teacher_cls', cls.type.shape)
  const loss = distilClass({ distance: p.c.of(['cosine', 'squared'] as const) })
  return kept(p, loss, { images: p.sizes.batch, student: { global: { cls }, projected: { cls } }, teacher: { global: { cls: teacher } } })
}

/** Means over everything, and over parts of it. */
const parts = (p: Place): Objective => {
  const { all, cls, patches } = p.seen
  const target = given(p, 'target', all.type.shape)
  const whole = mean()(square(sub(all, target)))
  const [first, second] = [mean()(square(cls)), mean()(square(slice(1, 0, p.c.of([1, p.sizes.patches]))(patches)))]
  return { loss: add(whole, add(mul(first, 0.5), second)), outputs: [value('whole', whole), value('part', second)] }
}

const objectives: ReadonlyArray<(p: Place) => Objective> = [classified, selfDistilled, hidden, spread, anchored, drawn, parts]

/** The sum of some of them. */
export const objective = (c: Chooser, sizes: Sizes, parameters: Parameters, features: Expr): Objective => {
  const seen = { cls: pick(1, 0)(features), patches: slice(1, features.type.shape[1] === 1 ? 0 : sizes.prefix)(features), all: features }
  const chosen = c
    .some(
      objectives.map((_, i) => i),
      1,
    )
    .slice(0, 3)
  const made = chosen.map((i) => objectives[i]({ c, sizes, parameters, seen }))
  return { loss: made.map((o) => o.loss).reduce((x, y) => add(x, y)), outputs: made.flatMap((o) => o.outputs) }
}
