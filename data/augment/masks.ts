/**
 * Which patches of which crops are hidden from the student: blocks, as iBOT and DINOv2 draw them (Bao et al. 2022, algorithm 1;
 * dinov2 and dinov3 `data/masking.py`, `data/collate.py`), and their collation into lists of a fixed length.
 *
 * Everything is a function of (seed, step, crop); no image, no other crop, and no order of evaluation has a part in it.
 */
import type { Stream } from '../../core/random.ts'
import { permutation, stream } from '../../core/random.ts'

/** Patches along the height and the width of a crop. */
export interface MaskGrid {
  readonly height: number
  readonly width: number
}

export interface BlockOptions {
  readonly grid: MaskGrid
  /** The smallest area that a block is drawn for, in patches. Default 4. */
  readonly minPatches?: number
  /** The most patches that one block may add. Default half of the grid, rounded down to whole rows. */
  readonly maxPatches?: number
  /** Smallest height over width of a block; the largest is its inverse. Default 0.3. */
  readonly minAspect?: number
}

/** A mask of a grid, row-major, 1 for a hidden patch. */
export type Mask = Uint8Array

/** The numbers of a stream in turn, each used once. */
export interface Source {
  readonly unit: () => number
  /** A whole number in 0 .. n-1. */
  readonly below: (n: number) => number
}

export const sourceOf = (s: Stream): Source => {
  let at = 0
  return { unit: () => s.unit(at++), below: (n) => s.below(at++, n) }
}

const between = (u: number, low: number, high: number): number => low + (high - low) * u

/** To the nearest whole number, halves to the even one, as Python rounds. */
const roundHalfEven = (x: number): number => {
  const down = Math.floor(x)
  const rest = x - down
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down
}

/** Tries to place one block before the sampler gives up. */
const tries = 10

/** A rectangle of patches. */
export interface Block {
  readonly top: number
  readonly left: number
  readonly height: number
  readonly width: number
}

/**
 * One try at a block: area uniform between the smallest and `budget`, whichever is larger, logarithm of the aspect uniform, place
 * uniform. None where it is as high or as wide as the grid.
 */
export const drawBlock = (r: Source, o: Required<Omit<BlockOptions, 'maxPatches'>>, budget: number): Block | undefined => {
  const area = between(r.unit(), o.minPatches, budget)
  const aspect = Math.exp(between(r.unit(), Math.log(o.minAspect), -Math.log(o.minAspect)))
  const [height, width] = [roundHalfEven(Math.sqrt(area * aspect)), roundHalfEven(Math.sqrt(area / aspect))]
  if (!(height < o.grid.height && width < o.grid.width)) return undefined
  return { top: r.below(o.grid.height - height + 1), left: r.below(o.grid.width - width + 1), height, width }
}

/** Patches of a block by their place in the mask. */
const placesOf = (b: Block, grid: MaskGrid): ReadonlyArray<number> =>
  Array.from({ length: b.height * b.width }, (_, i) => (b.top + Math.floor(i / b.width)) * grid.width + b.left + (i % b.width))

/** Hides one more block that adds between 1 and `budget` patches; gives how many it added, 0 after ten failures. */
const addBlock = (r: Source, o: Required<BlockOptions>, mask: Mask, budget: number): number => {
  for (let t = 0; t < tries; t++) {
    const b = drawBlock(r, o, budget)
    const fresh = b === undefined ? [] : placesOf(b, o.grid).filter((p) => mask[p] === 0)
    if (fresh.length > 0 && fresh.length <= budget) {
      for (const p of fresh) mask[p] = 1
      return fresh.length
    }
  }
  return 0
}

const blocks = (r: Source, options: BlockOptions, count: number): Mask => {
  const { grid, minPatches = 4, maxPatches = Math.floor(grid.height / 2) * grid.width, minAspect = 0.3 } = options
  const o = { grid, minPatches, maxPatches, minAspect }
  const mask = new Uint8Array(grid.height * grid.width)
  for (let hidden = 0; hidden < count;) {
    const added = addBlock(r, o, mask, Math.min(count - hidden, o.maxPatches))
    if (added === 0) break
    hidden += added
  }
  return mask
}

/** DINOv2's sampler: blocks until `count` patches are hidden or ten tries in a row fail. At most `count`, often a little fewer. */
export const blockMask = (s: Stream, o: BlockOptions, count: number): Mask => blocks(sourceOf(s), o, count)

const hiddenIn = (mask: Mask): number => mask.reduce((n, m) => n + m, 0)

/** DINOv3's sampler: the same blocks, then single patches at random up to exactly `count`, or all where the grid has no more. */
export const exactMask = (s: Stream, o: BlockOptions, count: number): Mask => {
  const r = sourceOf(s)
  const mask = blocks(r, o, count)
  const free = [...mask.keys()].filter((p) => mask[p] === 0)
  for (let missing = count - hiddenIn(mask); missing > 0 && free.length > 0; missing--) {
    const k = r.below(free.length)
    mask[free[k]] = 1
    free[k] = free[free.length - 1]
    free.pop()
  }
  return mask
}

export interface MaskOptions extends BlockOptions {
  /** Global crops of a batch: all crops of all images. */
  readonly crops: number
  /** `block`: DINOv2's, at most the drawn count. `exact`: DINOv3's. Default `block`. */
  readonly sampler?: 'block' | 'exact'
  /** The share of crops that have a mask, rounded down to whole crops. Default 0.5. */
  readonly probability?: number
  /** The smallest and the largest share of hidden patches. Default 0.1 to 0.5. */
  readonly ratio?: readonly [number, number]
  /** Turns every mask around its edges by random distances (dinov3's `random_circular_shift`). Default false. */
  readonly shift?: boolean
  /** Lists have a multiple of so many entries, so that as many ranks can share them. Default 1. */
  readonly shares?: number
}

/** Hidden patches as lists of U entries; entries behind the last hidden patch are padding: index 0, weight 0. */
export interface CollatedMasks {
  /** `[R, N]`, 1 for a hidden patch. */
  readonly mask: Uint8Array
  /** Places in the flat mask, ascending, `[U]`. */
  readonly indices: Int32Array
  /** 1 / (hidden patches of the same crop), `[U]`. */
  readonly weights: Float32Array
  /** Hidden patches, at most U. */
  readonly count: number
}

/**
 * Lists of a mask `[R, N]`, of `length` entries; as many as there are hidden patches where no length is given. Hidden patches
 * that the list does not hold are left out of it; `listSlots` is always enough for what `drawMasks` draws.
 */
export const collate = (mask: Uint8Array, crops: number, length?: number): CollatedMasks => {
  const n = mask.length / crops
  const perCrop = Array.from({ length: crops }, (_, i) => hiddenIn(mask.subarray(i * n, (i + 1) * n)))
  const hidden = [...mask.keys()].filter((p) => mask[p] !== 0)
  const size = length ?? hidden.length
  const [indices, weights] = [new Int32Array(size), new Float32Array(size)]
  hidden.slice(0, size).forEach((p, k) => {
    indices[k] = p
    weights[k] = 1 / Math.max(1, perCrop[Math.floor(p / n)])
  })
  return { mask, indices, weights, count: Math.min(size, hidden.length) }
}

/** Shares that divide `ratio` evenly for `masked` crops: `masked + 1` numbers in float32, as torch.linspace gives them. */
const edges = (masked: number, [low, high]: readonly [number, number]): ReadonlyArray<number> => {
  const [a, b] = [Math.fround(low), Math.fround(high)]
  const step = Math.fround(Math.fround(b - a) / masked)
  return Array.from({ length: masked + 1 }, (_, i) =>
    Math.fround(i < (masked + 1) / 2 ? a + Math.fround(step * i) : b - Math.fround(step * (masked - i))),
  )
}

interface Drawn {
  readonly masked: number
  readonly patches: number
  readonly shares: ReadonlyArray<number>
}

const plan = (o: MaskOptions): Drawn => {
  const masked = Math.floor(o.crops * (o.probability ?? 0.5))
  return { masked, patches: o.grid.height * o.grid.width, shares: masked === 0 ? [] : edges(masked, o.ratio ?? [0.1, 0.5]) }
}

/** Whole patches of a share, rounded down in float32. */
const patchesOf = (patches: number, share: number): number => Math.floor(Math.fround(patches * Math.fround(share)))

/** U: the most patches that a batch can hide, the official `upperbound`; 1 where nothing is ever hidden, as no list is empty. */
export const listLength = (o: MaskOptions): number => {
  const { masked, patches, shares } = plan(o)
  return Math.max(
    1,
    shares.slice(1, masked + 1).reduce((sum, share) => sum + patchesOf(patches, share), 0),
  )
}

/** The entries of a list: the least that are enough, in whole shares. */
export const listSlots = (o: MaskOptions): number => {
  const { shares = 1 } = o
  return shares * Math.ceil(listLength(o) / shares)
}

/** A mask turned around its edges: down by `dy` rows and right by `dx` columns. */
const turned = (mask: Mask, { height, width }: MaskGrid, dy: number, dx: number): Mask =>
  mask.map((_, p) => mask[((Math.floor(p / width) + height - dy) % height) * width + (((p % width) + width - dx) % width)])

const drawMask = (o: MaskOptions, s: Stream, count: number): Mask => {
  const draw = o.sampler === 'exact' ? exactMask : blockMask
  const shifted = { ...s, unit: (i: number) => s.unit(i + 4), below: (i: number, n: number) => s.below(i + 4, n) }
  const mask = draw(shifted, o, count)
  return o.shift === true ? turned(mask, o.grid, s.below(1, o.grid.height), s.below(2, o.grid.width)) : mask
}

/**
 * The masks of one batch. m = floor(R probability) crops get one, in random places; the i-th is drawn for a share of patches
 * between edges i and i + 1 of the ratio cut into m equal parts (`exact`: for edge i + 1), so that every batch has masks of all sizes.
 */
export const drawMasks = (o: MaskOptions, seed: number, step: number): CollatedMasks => {
  const { masked, patches, shares } = plan(o)
  const order = permutation(stream(seed, 'masks.order', step), o.crops)
  const all = new Uint8Array(o.crops * patches)
  for (let i = 0; i < masked; i++) {
    const s = stream(seed, `masks.${i}`, step)
    const share = o.sampler === 'exact' ? shares[i + 1] : between(s.unit(0), shares[i], shares[i + 1])
    all.set(drawMask(o, s, patchesOf(patches, share)), order[i] * patches)
  }
  return collate(all, o.crops, listSlots(o))
}
