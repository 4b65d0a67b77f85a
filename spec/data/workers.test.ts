import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as TE from 'fp-ts/lib/TaskEither.js'
import sharp from 'sharp'
import { afterAll, describe, expect, test } from 'vitest'
import { multiCrop } from '../../data/augment/multicrop.ts'
import { augmentations } from '../../data/augment/presets.ts'
import type { Dataset } from '../../data/readers/dataset.ts'
import { arrayDataset } from '../../data/readers/array.ts'
import type { Batch, Loader, LoaderOptions } from '../../data/loading/loader.ts'
import { ahead, openLoader } from '../../data/loading/loader.ts'
import { hereFiller } from '../../data/loading/fill.ts'
import type { Start } from '../../data/loading/messages.ts'
import { poolFiller } from '../../data/loading/pool.ts'
import type { Threads } from '../../data/loading/threads.ts'
import { restingThreads } from '../../data/loading/threads.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { openData } from '../../data/readers/index.ts'
import { left, right } from './either.ts'

const opened: Array<Loader> = []
const load = async (d: Dataset, o: LoaderOptions): Promise<Loader> => {
  const l = right(await openLoader(d, o)())
  opened.push(l)
  return l
}
afterAll(() => {
  for (const l of opened) l.close()
})

const scratch = (): Promise<string> => mkdtemp(join(tmpdir(), 'dinograph-workers-'))

const picture = (n: number, height: number, width: number): Promise<Buffer> =>
  sharp(
    Uint8Array.from({ length: height * width * 3 }, (_, i) => (i * (n + 3)) % 251),
    { raw: { height, width, channels: 3 } },
  )
    .png()
    .toBuffer()

/** Eleven pictures of two sizes in two classes; those of `broken` are none. */
const pictures = async (broken: ReadonlyArray<number> = []): Promise<Dataset> => {
  const root = await scratch()
  for (let n = 0; n < 11; n++) {
    const bytes = await picture(n, 20 + (n % 2) * 30, 24)
    await writeFile(join(root, `${String(n).padStart(2, '0')}.png`), broken.includes(n) ? bytes.subarray(0, 80) : bytes)
  }
  return right(datasetOf(right(await openData(root)())))
}

const crops = (d: Dataset, batch: number, side: number) =>
  right(multiCrop(augmentations.v2({ globalSize: 16, localSize: 8, locals: 2 }), { batch, channels: d.channels, side }))

/** A batch with nothing but plain numbers. */
const plain = (b: Batch): unknown => ({
  ...b,
  canvases: [...b.canvases],
  drawn: b.drawn === undefined ? undefined : { ...b.drawn, values: [...b.drawn.values].map(([k, v]) => [k, ...v]) },
})

describe('worker threads', () => {
  test('batches are the same for 0, 1, 2 and 4 workers, with and without a cache, and after a resume', async () => {
    const d = await pictures()
    const o = { seed: 3, batch: 3, side: 32, crops: crops(d, 3, 32), shrink: true }
    const here = await load(d, { ...o, workers: 0 })
    const reference = new Map<number, unknown>()
    for (const step of [0, 1, 2, 3, 4, 5, 7, 8, 9, 10]) reference.set(step, plain(right(await here.batch(step)())))
    for (const [workers, cacheBytes] of [
      [1, 0],
      [2, 5 * 32 * 32 * 3 * 4],
      [4, 512 << 20],
    ] as const) {
      const l = ahead(2)(await load(d, { ...o, workers, cacheBytes }))
      expect(l.workers).toBe(workers)
      // in order, then as a run that is resumed at step 7
      for (const step of [0, 1, 2, 3, 4, 5, 7, 8, 9, 10]) {
        const b = right(await l.batch(step)())
        expect(b.canvases.buffer).toBeInstanceOf(SharedArrayBuffer)
        // a note is only given when an image is decoded
        expect({ ...Object(plain(b)), notes: [] }).toEqual({ ...Object(reference.get(step)), notes: [] })
      }
    }
    expect(JSON.stringify(reference.get(0))).toContain('shrunk')
  })

  test('ranks load parts of the same batches', async () => {
    const d = await pictures()
    const whole = right(await (await load(d, { seed: 1, batch: 4, side: 16, workers: 1 })).batch(3)())
    const part = right(await (await load(d, { seed: 1, batch: 4, side: 16, workers: 2, rows: { from: 2, to: 4 } })).batch(3)())
    expect([...part.indices]).toEqual([...whole.indices.slice(2)])
    expect([...part.canvases]).toEqual([...whole.canvases.slice(2 * 3 * 16 * 16)])
    expect(part.first).toBe(whole.first + 2)
  })

  test('draws made by a loader are those that the crops make themselves', async () => {
    const d = await pictures()
    const c = crops(d, 3, 32)
    const { drawn, ...bare } = right(await (await load(d, { seed: 3, batch: 3, side: 32, workers: 1, crops: c, shrink: true })).batch(4)())
    expect(drawn?.seed).toBe(3)
    expect(right(c.feed(3, bare))).toEqual(right(c.feed(3, { ...bare, ...(drawn === undefined ? {} : { drawn }) })))
    expect(right(c.feed(4, { ...bare, ...(drawn === undefined ? {} : { drawn }) }))).toEqual(right(c.feed(4, bare)))
  })

  test('what cannot be read stops the run, or the next one stands in its place and is counted', async () => {
    const d = await pictures([4, 5])
    for (const workers of [0, 1, 2]) {
      const l = await load(d, { seed: 0, batch: 11, side: 16, workers, ordered: true })
      expect(left(await l.batch(0)()).place).toMatch(/04\.png$/)
      const s = await load(d, { seed: 0, batch: 11, side: 16, workers, ordered: true, onError: 'skip' })
      const b = right(await s.batch(0)())
      expect([...b.indices]).toEqual([0, 1, 2, 3, 6, 6, 6, 7, 8, 9, 10])
      expect(b.notes.filter((n) => n.startsWith('skipped')).length).toBe(2)
      right(await s.batch(1)())
      expect(s.skipped().map((f) => f.place.slice(-6))).toEqual(['04.png', '05.png'])
    }
    const none = await pictures(Array.from({ length: 11 }, (_, i) => i))
    expect(left(await (await load(none, { seed: 0, batch: 2, side: 16, workers: 1, onError: 'skip' })).batch(0)()).found).toMatch(
      /11 images in a row/,
    )
  })

  test('auto reads in threads what lies in files, and on this thread what lies in memory or has no origin', async () => {
    const d = await pictures()
    expect((await load(d, { seed: 0, batch: 2, side: 16 })).workers).toBeGreaterThan(0)
    const array = right(
      arrayDataset({
        name: 'a',
        channels: 1,
        height: 2,
        width: 2,
        range: [0, 1],
        images: new Float32Array(16),
        labels: new Int32Array(4),
        classes: ['x'],
      }),
    )
    expect((await load(array, { seed: 0, batch: 2, side: 16 })).workers).toBe(0)
    const own: Dataset = { name: 'own', length: 4, channels: 1, range: [0, 1], classes: [], label: array.label, item: array.item }
    expect((await load(own, { seed: 0, batch: 2, side: 16 })).workers).toBe(0)
    expect(left(await openLoader(own, { seed: 0, batch: 2, side: 16, workers: 2 })()).remedy).toMatch(
      /^set workers to 0, or open them by threaded/,
    )
    expect(left(await openLoader(array, { seed: 0, batch: 2, side: 16, workers: 65 })()).found).toBe('65 worker threads')
  })
})

describe('threads that rest', () => {
  const batches = async (l: Loader): Promise<ReadonlyArray<unknown>> => [plain(right(await l.batch(0)())), plain(right(await l.batch(3)()))]

  test('serve the next loader, of the same data or of others, with the same batches, and fewer of them are started', async () => {
    const [d, e] = [await pictures(), await pictures([])]
    const threads = restingThreads()
    const met = new Set<unknown>()
    const watched: Threads = {
      take: threads.take,
      rest: (r) => {
        met.add(r.worker)
        threads.rest(r)
      },
    }
    for (const [data, batch, side, workers] of [
      [d, 4, 16, 2],
      [d, 2, 24, 2],
      [e, 3, 16, 2],
      [d, 4, 16, 2],
      [e, 4, 16, 1],
    ] as const) {
      const o = { seed: 5, batch, side, crops: crops(data, batch, side) }
      const l = right(await openLoader(data, { ...o, workers, threads: watched })())
      const own = await load(data, { ...o, workers: 0 })
      expect(await batches(l)).toEqual(await batches(own))
      l.close()
    }
    expect(met.size).toBe(2)
    // one that has the data open before one that has others
    const rested = [threads.take(d), threads.take(d), threads.take(d)]
    expect(rested.map((r) => r?.data)).toEqual([d, e, undefined])
    for (const r of rested) await r?.worker.terminate()
  })

  test('are those that have read something, and that nobody waits for', async () => {
    const rested: Array<unknown> = []
    const threads: Threads = { take: () => undefined, rest: (r) => rested.push(r) }
    const bad = right(await openLoader(await pictures([0]), { seed: 0, batch: 11, side: 8, workers: 1, threads })())
    left(await bad.batch(0)())
    bad.close()
    const busy = right(await openLoader(await pictures(), { seed: 0, batch: 2, side: 8, workers: 1, threads })())
    right(await busy.batch(0)())
    const waiting = busy.batch(1)()
    busy.close()
    expect(left(await waiting).found).toBe('the loader was closed')
    expect(rested).toEqual([])
  })
})

describe('a thread that ends', () => {
  const options: Start['options'] = { seed: 0, side: 8, plan: undefined, onError: 'stop', cache: new Float32Array(0) }
  const filler = async (text: string, patience = 60_000) => {
    const file = join(await scratch(), 'thread.mjs')
    await writeFile(file, text)
    const d = await pictures()
    return poolFiller(
      { _tag: 'Start', origin: right(await (d.origin ?? TE.left(left(await d.item(-1)())))()), options },
      { workers: 2, patience, program: pathToFileURL(file) },
    )
  }
  const job = {
    first: 0,
    rows: [0, 1, 2].map((at) => ({ at, item: at, slot: -1, known: undefined })),
    canvases: new Float32Array(new SharedArrayBuffer(3 * 3 * 64 * 4)),
    tables: [],
  }

  test.each([
    [
      'throws',
      `setTimeout(() => { throw new Error('out of luck') }, 50); import('node:worker_threads').then((w) => w.parentPort.on('message', () => {}))`,
      /out of luck/,
    ],
    [
      'exits',
      `setTimeout(() => process.exit(3), 50); import('node:worker_threads').then((w) => w.parentPort.on('message', () => {}))`,
      /code 3/,
    ],
    ['does not start', `import './nowhere.mjs'`, /nowhere/],
  ])('%s: a fault for all who wait, and for all who come later', async (_, text, found) => {
    const f = await filler(text)
    const [a, b] = await Promise.all([f.fill(job)(), f.fill(job)()])
    expect(left(a).found).toMatch(found)
    expect(left(b).found).toMatch(found)
    expect(left(await f.fill(job)()).place).toBe('a worker thread of the loader')
    f.close()
  })

  test('once: its rows are read again by another, to the bit, and it is told', async () => {
    const died = join(await scratch(), 'died')
    const f = await filler(
      `import { existsSync, writeFileSync } from 'node:fs'
       if (existsSync(${JSON.stringify(died)})) await import(${JSON.stringify(new URL('../../data/loading/thread.js', import.meta.url).href)})
       else { writeFileSync(${JSON.stringify(died)}, ''); setTimeout(() => process.exit(9), 50); (await import('node:worker_threads')).parentPort.on('message', () => {}) }`,
    )
    const whole = { ...job, canvases: new Float32Array(new SharedArrayBuffer(3 * 3 * 64 * 4)) }
    const [again, other] = await Promise.all([
      f.fill(whole)(),
      f.fill({ ...job, canvases: new Float32Array(new SharedArrayBuffer(3 * 3 * 64 * 4)) })(),
    ])
    const undisturbed = { ...job, canvases: new Float32Array(3 * 3 * 64) }
    right(await hereFiller(await pictures(), options).fill(undisturbed)())
    expect([...whole.canvases]).toEqual([...undisturbed.canvases])
    expect(
      [...right(again), ...right(other)]
        .map((r) => r.note)
        .filter((n) => n !== undefined)
        .join(),
    ).toMatch(/code 9.*another reads what it was asked/)
    f.close()
  })

  test('answers nothing: it is given up', async () => {
    const f = await filler(`import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => {})`, 300)
    expect(left(await f.fill(job)()).found).toBe('no answer for 0.3 seconds')
  })

  test('is closed: a fault, too', async () => {
    const f = await filler(`import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => {})`)
    const waiting = f.fill(job)()
    f.close()
    expect(left(await waiting).found).toBe('the loader was closed')
  })
})

describe('filling', () => {
  test('reads the items that it is asked for', async () => {
    const d = await pictures()
    const options: Start['options'] = { seed: 0, side: 8, plan: undefined, onError: 'stop', cache: new Float32Array(0) }
    const job = { first: 0, rows: [{ at: 0, item: 1, slot: -1, known: undefined }], canvases: new Float32Array(3 * 64), tables: [] }
    expect(right(await hereFiller(d, options).fill(job)()).at(0)?.item).toBe(1)
  })
})
