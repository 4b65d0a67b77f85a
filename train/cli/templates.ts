/** Programs to begin with: an experiment, a loss, a backbone, each with its test. They are whole files, to be changed. */
import { commandLine } from '../../core/command.ts'

/** The files of a template, and what is typed next. */
export interface Template {
  /** In a sentence: what there is. */
  readonly about: string
  /** Names that configurations have already. */
  readonly taken: ReadonlyArray<string>
  readonly program: string
  readonly test: string
  /** How it is trained, with its path. */
  readonly train: (file: string) => string
}

const experiment = (name: string): Template => ({
  about: 'an experiment: DINO on the digits that are shipped, or on --data',
  taken: [],
  train: (file) => `npx tsx ${file}`,
  program: `/**
 * An experiment of your own: DINO, made of parts that bring their settings.
 *
 *     npx tsx ${name}.ts                 trains on digits; --data ~/pictures on yours
 *     npx tsx ${name}.ts --help          lists what can be set
 */
import { command, crops, dino, dinov1, experiment, images, network, prototypes, sinkhorn } from 'dinograph'

export default command(
  import.meta.url,
  experiment({
    name: '${name}',
    about: 'DINO on digits.',
    steps: 1000,
    batch: 64,
    data: images({ train: 8000, test: 2000 }),
    augmentation: crops({ globalScale: [0.6, 1], locals: 2, localSize: 21, localScale: [0.5, 0.9] }),
    method: dinov1({
      model: network({ patch: 7, width: 64, depth: 3, heads: 4, rope: {} }),
      head: prototypes({ hidden: 128, bottleneck: 64, prototypes: 256 }),
      loss: ({ head }) => dino({ prototypes: head.prototypes, centring: sinkhorn() }),
    }),
    optimizer: { lr: 2e-3 },
  }),
)
`,
  test: `/** The experiment is traced as a whole, and refuses settings that are none: npx tsx --test ${name}.test.ts */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { given } from 'dinograph/train'
import experiment from './${name}.js'

test('its step is a graph, with the loss among what it says', () => {
  const made = experiment.resolve([])
  assert.ok(made._tag === 'Right')
  const assembled = made.right.assemble({ channels: 1, side: 28 })
  assert.ok(assembled._tag === 'Right')
  const outputs = assembled.right.phases[0].turns[0].graph.outputs.map((o) => o.path)
  assert.ok(outputs.includes('loss.dino'), outputs.join(', '))
})

test('a number of steps that is none is a fault with its place', () => {
  const wrong = experiment.resolve([given({ steps: 0 })])
  assert.ok(wrong._tag === 'Left')
  assert.match(wrong.left.place, /steps$/)
})
`,
})

const loss = (name: string, taken: ReadonlyArray<string>): Template => ({
  about: 'a loss, as an objective that configurations name',
  taken,
  train: (file) => `${commandLine('train')} --plugin ${file} --set objective.kind=${name}`,
  program: `/**
 * A loss of your own, beside DINO's: an objective that configurations name, with its settings.
 *
 *     plugins: [./${name}.ts]
 *     objective: { kind: ${name}, weight: 0.5 }
 */
import { dino, dinov1, field, part, plugin, section, sum, weighted } from 'dinograph'
import type { ClassTokens, Features, Loss } from 'dinograph'
import { pureLoss } from 'dinograph/losses'
import { add, mean, relu, sqrt, square, sub } from 'dinograph/ops'

/**
 * Of the student's class tokens of global crops \`[R, D]\`, crop 0 of all images, then crop 1: the mean over components of
 * max(0, 1 - deviation over the rows).
 */
export const loss: Loss<Features<ClassTokens>> = pureLoss('${name}', ({ student: { global } }) => {
  const centred = sub(global.cls, mean({ axes: [0], keep: true })(global.cls))
  const deviation = sqrt(add(mean({ axes: [0] })(square(centred)), 1e-4))
  return mean()(relu(sub(1, deviation)))
})

export default plugin({
  name: '${name}',
  objectives: {
    '${name}': part(
      section('DINO, with ${name} beside it', { weight: field.real(0.5, 'weight of ${name}', { min: 0 }) }),
      ({ weight }) =>
        (networks) =>
          dinov1({ ...networks, loss: ({ head }) => sum([dino({ prototypes: head.prototypes }), weighted(weight)(loss)]) }),
    ),
  },
})
`,
  test: `/** What the loss says of features that are known: npx tsx --test ${name}.test.ts */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evaluate, grad } from 'dinograph/compiler'
import { input } from 'dinograph/core'
import { total } from 'dinograph/losses'
import { loss } from './${name}.js'

const cls = input('cls', [4, 2])
const [outcome] = loss.run({ images: 2, student: { global: { cls } }, teacher: { global: { cls } } })(new Map())
const value = total(outcome)
const at = (...numbers: ReadonlyArray<number>) => evaluate([value, ...grad(value, [cls])], new Map([['cls', Float64Array.from(numbers)]]))

test('it is large where all features are the same, and nothing where they differ', () => {
  assert.ok(at(3, 3, 3, 3, 3, 3, 3, 3)[0][0] > 0.9)
  assert.equal(at(2, -2, -2, 2, 2, -2, -2, 2)[0][0], 0)
})

test('its gradient is finite, and moves features apart', () => {
  const [, g] = at(0.1, 0.2, -0.1, 0, 0.3, 0.1, 0, -0.2)
  assert.ok(g.every(Number.isFinite))
  assert.ok(g[4] < 0)
})
`,
})

const backbone = (name: string, taken: ReadonlyArray<string>): Template => ({
  about: 'a backbone that configurations name',
  taken,
  train: (file) => `${commandLine('train')} --plugin ${file} --set objective.kind=dinov1 --set model.kind=${name}`,
  program: `/**
 * A backbone of your own, with its settings: of images \`[B, C, H, W]\` it says \`cls [B, D]\` and \`patches [B, N, D]\`.
 *
 *     plugins: [./${name}.ts]
 *     model: { kind: ${name}, width: 48 }
 */
import { backbone, field, part, plugin, section } from 'dinograph'
import type { Asked } from 'dinograph'
import { param, truncNormal, zeros } from 'dinograph/core'
import { add, gelu, linear, mean, reshape, slice, transpose } from 'dinograph/ops'

const layer = (i: number, o: number) => ({ weight: param([o, i], truncNormal(i ** -0.5)), bias: param([o], zeros) })

const settings = section('patches, each through a few layers', {
  width: field.whole(48, 'components of a patch', { min: 1 }),
  patch: field.whole(7, 'pixels along the side of a patch', { min: 1 }),
  depth: field.whole(2, 'layers'),
})

export const network = part(settings, ({ width, patch, depth }) => ({ channels = 3 }: Asked) =>
  backbone({
    width,
    patch,
    params: { embed: layer(channels * patch * patch, width), layers: Array.from({ length: depth }, () => layer(width, width)) },
    apply: (_, p) => (images) => {
      const [b, c, h, w] = images.type.shape
      const [rows, columns] = [Math.floor(h / patch), Math.floor(w / patch)]
      const whole = slice(3, 0, columns * patch)(slice(2, 0, rows * patch)(images))
      const cells = transpose([0, 2, 4, 1, 3, 5])(reshape([b, c, rows, patch, columns, patch])(whole))
      const tokens = linear(reshape([b, rows * columns, c * patch * patch])(cells), p.embed.weight, p.embed.bias)
      const patches = p.layers.reduce((x, { weight, bias }) => add(x, gelu(linear(x, weight, bias))), tokens)
      return { cls: mean({ axes: [1] })(patches), patches }
    },
  }))

export default plugin({ name: '${name}', backbones: { '${name}': network } })
`,
  test: `/** What the network says of images, and what it learns by: npx tsx --test ${name}.test.ts */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evaluate, grad } from 'dinograph/compiler'
import { context, expressions, input, leavesOf, sizeOf } from 'dinograph/core'
import { square, sum } from 'dinograph/ops'
import { network } from './${name}.js'

const made = network().make({ width: 8, patch: 4, depth: 1 })({ channels: 1 })
const parameters = leavesOf('net', made.params)
const { cls, patches } = made.apply(context('eval'), parameters)(input('images', [2, 1, 8, 12]))

test('a class token of each image, and its patches row by row', () => {
  assert.deepEqual(cls.type.shape, [2, 8])
  assert.deepEqual(patches.type.shape, [2, 6, 8])
})

test('each of its parameters has a gradient', () => {
  const named = expressions(parameters)
  const wave = (n: number): Float64Array => Float64Array.from({ length: n }, (_, i) => Math.sin(i + 1))
  const values = new Map([['images', wave(192)], ...named.map(([path, e]) => [\`net.\${path}\`, wave(sizeOf(e.type.shape))] as const)])
  const gradients = evaluate(grad(sum()(square(cls)), named.map(([, e]) => e)), values)
  gradients.forEach((g, i) => {
    assert.ok(g.every(Number.isFinite) && g.some((x) => x !== 0), named[i][0])
  })
})
`,
})

/** Templates by what they are of. */
export const templates = { experiment, loss, backbone } as const
