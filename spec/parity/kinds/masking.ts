/**
 * Mask samplers draw, and so cannot be compared mask by mask: the official masks and ours obey the same rules, the statistics of as
 * many of ours are those that the case states, and the lists that follow from the official masks are the official lists.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { stream } from '../../../core/random.ts'
import { range } from '../../../core/type.ts'
import { decodeAs } from '../../../data/formats/codec.ts'
import type { BlockOptions, MaskOptions } from '../../../data/augment/masks.ts'
import { blockMask, collate, drawBlock, drawMasks, exactMask, listLength, sourceOf } from '../../../data/augment/masks.ts'
import { intsOf } from '../../../data/formats/tensor.ts'
import type { LoadedCase } from '../case.ts'
import { configOf } from '../case.ts'
import type { Claim, Judge } from '../kind.ts'

const config = t.intersection([
  t.type({
    grid: t.readonly(t.tuple([t.number, t.number])),
    max_num_patches: t.number,
    requested: t.readonlyArray(t.number),
    mask_ratio: t.readonly(t.tuple([t.number, t.number])),
    mask_probability: t.number,
  }),
  t.partial({ min_num_patches: t.number, min_aspect: t.number }),
])
type Config = t.TypeOf<typeof config>

const counts = t.type({ mean: t.number, max: t.number, fraction_exact: t.number })
const collated = t.partial({ upperbound: t.number, n_masked: t.number, n_images_with_masks: t.number, n_samples_masked: t.number })
const facts = t.partial({
  v2_count_statistics_3000_samples: t.record(t.string, counts),
  first_block_aspect_h_over_w: t.type({ min: t.number, max: t.number, median: t.number }),
  first_block_area: t.type({ min: t.number, max: t.number, mean: t.number }),
  v2_collate: collated,
  v3_collate: collated,
})
type Facts = t.TypeOf<typeof facts>

type Version = 2 | 3

const samples = 3000

const blockOptions = (o: Config): Required<BlockOptions> => ({
  grid: { height: o.grid[0], width: o.grid[1] },
  maxPatches: o.max_num_patches,
  minPatches: o.min_num_patches ?? 4,
  minAspect: o.min_aspect ?? 0.3,
})

const hidden = (mask: Uint8Array): number => mask.reduce((n, x) => n + x, 0)
const rows = (masks: ArrayLike<number>, width: number): ReadonlyArray<Uint8Array> => {
  const flat = Uint8Array.from(masks)
  return range(flat.length / width).map((i) => flat.subarray(i * width, (i + 1) * width))
}

const mean = (xs: ReadonlyArray<number>): number => xs.reduce((a, b) => a + b, 0) / xs.length

const rule = (name: string, holds: boolean): Claim => ({ name, ratio: holds ? 0 : Infinity })

/** Two means of as many draws, in units of five standard errors of their difference; a spread of one draw is always allowed. */
const meansApart = (name: string, ours: ReadonlyArray<number>, theirs: number): Claim => {
  const m = mean(ours)
  const variance = Math.max(mean(ours.map((x) => (x - m) ** 2)), 1 / ours.length)
  return { name, ratio: Math.abs(m - theirs) / (5 * Math.sqrt((2 * variance) / ours.length)) }
}

const obeys = (version: Version, mask: Uint8Array, asked: number): boolean =>
  version === 2 ? hidden(mask) <= asked : hidden(mask) === asked

/** Our samplers: as many patches as were asked for, or at most as many, and as often fewer as the official ones. */
const ours =
  (o: Config, f: Facts) =>
  (asked: number): ReadonlyArray<Claim> => {
    const blocks = range(samples).map((i) => blockMask(stream(0, `masking.${asked}`, i), blockOptions(o), asked))
    const exact = range(100).map((i) => exactMask(stream(1, `masking.${asked}`, i), blockOptions(o), asked))
    const stated = f.v2_count_statistics_3000_samples?.[`${asked}`]
    return [
      rule(
        `our v2 masks of ${asked}`,
        blocks.every((m) => obeys(2, m, asked)),
      ),
      rule(
        `our v3 masks of ${asked}`,
        exact.every((m) => obeys(3, m, asked)),
      ),
      ...(stated === undefined
        ? []
        : [
            meansApart(`v2 count of ${asked} mean`, blocks.map(hidden), stated.mean),
            meansApart(
              `v2 count of ${asked} fraction_exact`,
              blocks.map((m) => Number(hidden(m) === asked)),
              stated.fraction_exact,
            ),
            rule(`v2 count of ${asked} max`, Math.max(...blocks.map(hidden)) === stated.max),
          ]),
    ]
  }

/** The first block on an empty grid with the largest budget; of how many the case's statistics are is not stated: some hundred. */
const firstBlocks = (o: Config, f: Facts): ReadonlyArray<Claim> => {
  // many, so that ours hold the rarest of theirs
  const blocks = range(10 * samples).flatMap((i) => {
    const r = sourceOf(stream(2, 'masking.block', i))
    const b = range(10)
      .map(() => drawBlock(r, blockOptions(o), o.max_num_patches))
      .find((x) => x !== undefined && x.height * x.width <= o.max_num_patches)
    return b === undefined ? [] : [b]
  })
  const areas = blocks.map((b) => b.height * b.width)
  const aspects = blocks.map((b) => b.height / b.width).sort((a, b) => a - b)
  const [area, aspect] = [f.first_block_area, f.first_block_aspect_h_over_w]
  return [
    ...(area === undefined
      ? []
      : [
          { name: 'first_block_area mean', ratio: Math.abs(mean(areas) - area.mean) / (0.15 * area.mean) },
          rule('first_block_area', area.max <= o.max_num_patches && Math.min(...areas) <= area.min && Math.max(...areas) >= area.max),
        ]),
    ...(aspect === undefined
      ? []
      : [
          {
            name: 'first_block_aspect median',
            ratio: Math.abs(Math.log(aspects[Math.floor(aspects.length / 2)] / aspect.median)) / Math.log(1.3),
          },
          rule('first_block_aspect', aspects[0] <= aspect.min && aspects[aspects.length - 1] >= aspect.max),
        ]),
  ]
}

const given = (c: LoadedCase, name: string): Either<Fault, Int32Array> => {
  const x = c.expected.get(name)
  return x === undefined ? E.right(new Int32Array()) : intsOf(name)(x)
}

/** The official masks obey the rules that ours do. */
const theirs = (c: LoadedCase, o: Config, version: Version): Either<Fault, ReadonlyArray<Claim>> =>
  pipe(
    given(c, `out/v${version}_masks`),
    E.map((masks) => {
      const all = rows(masks, o.grid[0] * o.grid[1])
      return [
        rule(
          `out/v${version}_masks`,
          all.every((m, i) => obeys(version, m, o.requested[Math.floor((i * o.requested.length) / all.length)])),
        ),
      ]
    }),
  )

const equal = (a: ArrayLike<number>, b: ArrayLike<number>): boolean => a.length === b.length && Array.from(a).every((x, i) => x === b[i])

/** The official lists follow from the official masks; our batches are as long as the case states. */
const collation = (c: LoadedCase, o: Config, stated: t.TypeOf<typeof collated>, version: Version): Either<Fault, ReadonlyArray<Claim>> => {
  const name = `out/v${version}_collate`
  const weights = c.expected.get(`${name}/masks_weight`)?.data ?? []
  return pipe(
    E.Do,
    E.bind('masks', () => given(c, `${name}/masks`)),
    E.bind('indices', () => given(c, `${name}/mask_indices`)),
    E.map(({ masks, indices }) => {
      const patches = o.grid[0] * o.grid[1]
      const crops = masks.length / patches
      if (crops === 0) return []
      const options: MaskOptions = {
        ...blockOptions(o),
        crops,
        ratio: o.mask_ratio,
        probability: o.mask_probability,
        sampler: version === 3 ? 'exact' : 'block',
      }
      const lists = collate(Uint8Array.from(masks), crops)
      const withMask = (m: ArrayLike<number>): number => rows(m, patches).filter((r) => hidden(r) > 0).length
      const masked = Math.floor(crops * o.mask_probability)
      const batches = range(100).map((step) => drawMasks(options, 3, step))
      const agrees = (x: number | undefined, y: number): boolean => x === undefined || x === y
      return [
        rule(`${name}/mask_indices`, equal(lists.indices, indices)),
        rule(`${name}/masks_weight`, equal(lists.weights, weights)),
        rule(
          `${name} counts`,
          agrees(stated.n_masked, lists.count) &&
            agrees(stated.n_images_with_masks, withMask(masks)) &&
            agrees(stated.n_samples_masked, masked),
        ),
        rule(`${name} upperbound`, agrees(stated.upperbound, listLength(options))),
        rule(
          `our batches of v${version}`,
          batches.every((b) => withMask(b.mask) <= masked && (version === 2 ? b.count <= b.indices.length : b.count === b.indices.length)),
        ),
      ]
    }),
  )
}

export const judge: Judge = (c) =>
  pipe(
    E.Do,
    E.bind('o', () => configOf(config, c.given)),
    E.bind('f', () => decodeAs(facts, 'config', `${c.given.name}: facts`, 'state the statistics as the fixtures do')(c.given.facts)),
    E.chain(({ o, f }) =>
      pipe(
        [theirs(c, o, 2), theirs(c, o, 3), collation(c, o, f.v2_collate ?? {}, 2), collation(c, o, f.v3_collate ?? {}, 3)],
        E.sequenceArray,
        E.map((all) => [...all.flat(), ...o.requested.flatMap(ours(o, f)), ...firstBlocks(o, f)]),
      ),
    ),
  )
