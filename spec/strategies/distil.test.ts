/** Distillation: the teacher stands still and is computed once, the student learns it, and its average is the product. */
import { concatAll } from 'fp-ts/lib/Monoid.js'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { describe, expect, it, test } from 'vitest'
import type { HostArray } from '../../compiler/target.ts'
import { reference } from '../../compiler/targets/reference.ts'
import { nodesOf } from '../../core/graph.ts'
import { scopeOf } from '../../core/expr.ts'
import { distilClass, distilLogits, distilPatches } from '../../losses/distil.ts'
import type { Loss } from '../../losses/loss.ts'
import { lossMonoid } from '../../losses/loss.ts'
import { relation } from '../../losses/relation.ts'
import type { MatchedOutput, TeacherFeatures } from '../../models/distil.ts'
import { featurePair, logitPair, severalStudents } from '../../models/distil.ts'
import { head } from '../../models/head.ts'
import { vit } from '../../models/vit.ts'
import { multiCrop } from '../../train/step/batch.ts'
import { initialize } from '../../train/step/initialization.ts'
import { writeResidents } from '../../train/run/state.ts'
import { adamw } from '../../train/step/optimizer.ts'
import type { Program } from '../../train/step/step.ts'
import { derive, rewriteForward, trainingStep } from '../../train/step/step.ts'
import { averaged, distilled, ofStudent } from '../../train/step/strategies/distil.ts'
import { freeze } from '../../train/step/strategies/freeze.ts'
import { lora } from '../../train/step/strategies/lora.ts'
import type { Strategy } from '../../train/step/strategies/strategy.ts'
import { strategies } from '../../train/step/strategies/strategy.ts'
import { right } from '../data/either.ts'
import { wave } from '../support/tensor.ts'

const large = vit({ patch: 4, width: 12, depth: 3, heads: 2, mlpRatio: 2, image: 16 })
const small = vit({ patch: 8, width: 8, depth: 1, heads: 2, mlpRatio: 2, image: 16 })
const batch = multiCrop({ images: 3, global: { crops: 2, size: 16 } })

type Matching = { readonly images: number; readonly student: MatchedOutput; readonly teacher: TeacherFeatures }
const matching: Loss<Matching> = concatAll(lossMonoid<Matching>())([distilClass(), distilPatches({ distance: 'squared' }), relation()])

const features = (s: Strategy = distilled): Program =>
  right(
    pipe(
      trainingStep({ model: featurePair({ student: small, teacher: large }), loss: matching, batch, optimizer: adamw() }),
      rewriteForward(s),
      derive,
    ).program,
  )

const logits = (): Program =>
  right(
    pipe(
      trainingStep({
        model: logitPair({
          student: { backbone: small, head: head({ in: 8, prototypes: 5, hidden: 8, bottleneck: 4 }) },
          teacher: { backbone: large, head: head({ in: 12, prototypes: 5, hidden: 6, bottleneck: 3 }) },
        }),
        loss: distilLogits({ temperature: 0.1 }),
        batch,
        optimizer: adamw(),
      }),
      rewriteForward(distilled),
      derive,
    ).program,
  )

const several = (): Program =>
  right(
    pipe(
      trainingStep({
        model: severalStudents(
          {
            one: featurePair({ student: small, teacher: large }).student,
            two: featurePair({ student: vit({ patch: 4, width: 4, depth: 1, heads: 2, image: 16 }), teacher: large }).student,
          },
          featurePair({ student: small, teacher: large }).teacher,
        ),
        loss: concatAll(
          lossMonoid<
            Parameters<ReturnType<ReturnType<typeof ofStudent>>['run']>[0] & {
              readonly student: Readonly<Record<string, MatchedOutput>>
              readonly teacher: TeacherFeatures
            }
          >(),
        )([ofStudent('one')(matching), ofStudent('two')(matching)]),
        batch,
        optimizer: adamw(),
      }),
      rewriteForward(distilled),
      derive,
    ).program,
  )

const feed = new Map<string, HostArray>([
  ['batch.global', Float32Array.from(wave(6 * 3 * 256))],
  ['hyper.lr', Float32Array.of(0.01)],
  ['hyper.wd', Float32Array.of(0)],
  ['hyper.momentum', Float32Array.of(0.5)],
])

const trained = async (
  p: Program,
  steps: number,
): Promise<{
  readonly losses: ReadonlyArray<number>
  readonly at: (path: string) => Promise<HostArray>
  readonly first: ReadonlyMap<string, Float32Array>
}> => {
  const device = right(await reference.open())
  const first = initialize(1)(p.residents)
  right(await writeResidents(device, p.residents)(first)())
  const x = right(await device.compile(p.graph)())
  const losses: Array<number> = []
  for (let step = 0; step < steps; step++) losses.push(right(await x.run({ values: feed, step })()).get('loss')?.[0] ?? NaN)
  return { losses, at: async (path) => right(await device.read(path)()), first }
}

describe.each([
  ['features of another width and grid, and relations', features],
  ['logits', logits],
  ['several students', several],
] as const)('%s', (_, make) => {
  it('are learnt', async () => {
    const p = make()
    const r = await trained(p, 25)
    expect(r.losses[24]).toBeLessThan(r.losses[0] * 0.5)
    const fixed = p.residents.filter((x) => x.path.startsWith('teacher.'))
    expect(fixed.every((x) => x.role === 'fixed')).toBe(true)
    for (const x of fixed.slice(0, 4)) expect([...(await r.at(x.path))]).toEqual([...(r.first.get(x.path) ?? [])])
  })
})

test("the product is an average of the student's backbone, and begins equal to it", async () => {
  const p = features()
  const own = p.residents.filter((r) => r.path.startsWith('ema.'))
  expect(own.length).toBe(p.residents.filter((r) => r.path.startsWith('student.backbone.')).length)
  const { first, at } = await trained(p, 1)
  for (const r of own) expect(first.get(r.path)).toEqual(first.get(r.path.replace('ema.', 'student.')))
  const [before, after, product] = [
    first.get('student.backbone.cls_token') ?? [],
    await at('student.backbone.cls_token'),
    await at('ema.backbone.cls_token'),
  ]
  product.forEach((x: number, i: number) => {
    expect(x).toBeCloseTo(0.5 * before[i] + 0.5 * after[i], 10)
  })
  expect(
    E.isLeft(strategies([averaged(), averaged()])({ graph: p.graph, residents: p.residents.filter((r) => !r.path.startsWith('ema.')) })),
  ).toBe(true)
})

test('several students cost one teacher', () => {
  const teacherNodes = (p: Program): number =>
    nodesOf(p.graph).filter((e) => e._tag === 'Apply' && scopeOf(e).startsWith('teacher.global')).length
  expect(teacherNodes(several())).toBe(teacherNodes(features()))
})

test('with LoRA and freezing: the product shares what is frozen, and averages the adapters', () => {
  const p = features(strategies([distilled, lora({ targets: ['fc1'], rank: 2, base: (path) => path.startsWith('backbone.') })]))
  expect(p.residents.filter((r) => r.path.startsWith('ema.')).map((r) => r.path)).toEqual([
    'ema.backbone.blocks.0.mlp.fc1.lora_A.weight',
    'ema.backbone.blocks.0.mlp.fc1.lora_B.weight',
  ])
  expect(p.residents.some((r) => r.path.startsWith('teacher.') && r.path.includes('lora'))).toBe(false)
  const late = strategies([lora({ targets: ['fc1'], rank: 2 }), distilled])(
    right(trainingStep({ model: featurePair({ student: small, teacher: small }), loss: matching, batch, optimizer: adamw() }).objective),
  )
  expect(E.isLeft(late) ? late.left.place : '').toBe('fixedTeacher')
  const q = features(strategies([freeze({ patchEmbed: true }), distilled]))
  expect(q.residents.some((r) => r.path.startsWith('ema.backbone.patch_embed'))).toBe(false)
  expect(q.residents.some((r) => r.path.startsWith('teacher.backbone.patch_embed'))).toBe(true)
})
