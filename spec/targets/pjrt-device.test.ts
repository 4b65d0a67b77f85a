/** `pjrt:cpu` as a device: states stay in place, nothing is left behind, programs are found again; and why it does not open. */
import { spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { roundings } from '../../compiler/numerics.ts'
import { openTarget } from '../../compiler/targets/open.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import type { Precision } from '../../compiler/targets/pjrt/writer.ts'
import type { PjrtDevice } from '../../compiler/targets/pjrt/device.ts'
import { openPjrt } from '../../compiler/targets/pjrt/target.ts'
import { findPlugin } from '../../compiler/targets/pjrt/plugin.ts'
import { isFault, showFault } from '../../core/fault.ts'
import { leaf } from '../../core/expr.ts'
import type { Graph } from '../../core/graph.ts'
import { value } from '../../core/graph.ts'
import { apply } from '../../core/primitive.ts'
import { tensorType } from '../../core/type.ts'
import { add, cast, exp, mul } from '../../ops/elementwise.ts'
import { einsum } from '../../ops/contract.ts'
import { sum } from '../../ops/reduce.ts'
import { some } from 'fp-ts/lib/Option.js'
import { left, right } from '../data/either.ts'
import { must } from '../rules/agreement.ts'
import { isOptional } from '../support/optional.ts'
import { expectClose, hostArray, input } from '../support/tensor.ts'
import { uniformOf } from '../support/values.ts'

const plugin = findPlugin('cpu')
if (isFault(plugin)) console.warn(`pjrt:cpu is not tested here: ${showFault(plugin)}`)
const absent = isFault(plugin) && isOptional('pjrt:cpu')

const place = { folder: '' }
beforeAll(async () => {
  place.folder = await mkdtemp(join(tmpdir(), 'dinograph-pjrt-'))
})
afterAll(() => rm(place.folder, { recursive: true, force: true }))
afterEach(() => {
  vi.unstubAllEnvs()
})

/** A device with a cache of its own, the plugin named. */
const open = async (): Promise<PjrtDevice> => {
  if (!isFault(plugin)) vi.stubEnv('DINOGRAPH_PJRT_PLUGIN', plugin.path)
  vi.stubEnv('XDG_CACHE_HOME', place.folder)
  return must(openPjrt('cpu'))
}

const size = 16384
const type = tensorType('f32', [size])
const state = leaf(type, { _tag: 'State', path: 's' })
const x = input('x', [size])

/** Adds the input to a state, and says their sum and their elements. */
const adding: Graph = {
  name: 'adding',
  outputs: [{ role: 'state', path: 's', expr: add(state, x) }, value('sum', sum()(add(state, x))), value('all', add(state, x))],
}

const ones = new Float32Array(size).fill(1)
const feed = { values: new Map([['x', ones]]) }

const plans = async (): Promise<ReadonlyArray<string>> =>
  (await readdir(join(place.folder, 'dinograph', 'pjrt')).catch((): ReadonlyArray<string> => [])).filter((f) => f.startsWith('plan-'))

describe.skipIf(absent)('a device', () => {
  it('keeps a state where it is', async () => {
    const d = await open()
    right(await d.write('s', type, new Float32Array(size))())
    const program = right(await d.compile(adding)())
    const before = d.addressOf('s')
    for (let i = 1; i <= 5; i++) expect(right(await program.run(feed)()).get('sum')?.[0]).toBe(i * size)
    expect(d.addressOf('s')).toBe(before)
    expect(program.memory.aliased).toBe(4 * size)
    expect(right(await d.read('s')()).every((y) => y === 5)).toBe(true)
    d.close()
  })

  it('runs its programs in turn, whoever asks', async () => {
    const d = await open()
    right(await d.write('s', type, new Float32Array(size))())
    const [one, two] = [right(await d.compile(adding)()), right(await d.compile({ ...adding, name: 'other' })())]
    const sums = await Promise.all([one, two, one, two].map(async (p) => right(await p.run(feed)()).get('sum')?.[0]))
    expect(sums).toEqual([1, 2, 3, 4].map((n) => n * size))
    d.close()
  })

  it('takes no more memory after 2,000 steps', { timeout: 120_000 }, async () => {
    const d = await open()
    right(await d.write('s', type, new Float32Array(size))())
    const program = right(await d.compile(adding)())
    const steps = async (n: number): Promise<number> => {
      for (let i = 0; i < n; i++) right(await program.run(feed)())
      return process.memoryUsage().rss
    }
    const before = await steps(300)
    const after = await steps(2000)
    // one buffer of the state, the input or the result left behind at each step would be 131 MB
    expect((after - before) / 1e6).toBeLessThan(60)
    d.close()
  })

  it('leaves its state alone where a run is refused', async () => {
    const d = await open()
    right(await d.write('s', type, ones)())
    const program = right(await d.compile(adding)())
    expect(left(await program.run({ values: new Map([['x', new Float32Array(3)]]) })()).found).toBe('3 elements')
    expect(right(await program.run(feed)()).get('sum')?.[0]).toBe(2 * size)
    d.close()
  })

  it('computes a recompute region again', async () => {
    const d = await open()
    const y = exp(mul(x, 0.5))
    const again = y._tag === 'Apply' ? apply(y.op, y.args, some('block')) : y
    const program = right(await d.compile({ name: 'regions', outputs: [value('y', y), value('again', again)] })())
    expect(program.source[0]).toContain('stablehlo.optimization_barrier')
    const r = right(await program.run(feed)())
    expect(r.get('again')).toEqual(r.get('y'))
    d.close()
  })
})

describe.skipIf(absent)('precision', () => {
  const [a, b] = [uniformOf('a', [8, 96]), uniformOf('b', [96, 8])]
  const [x, y] = [input('a', [8, 96]), input('b', [96, 8])]
  const given = {
    values: new Map([
      ['a', hostArray(a)],
      ['b', hostArray(b)],
    ]),
  }
  const product = einsum('mk,kn->mn')(x, y)

  it.each(['f16', 'bf16'] as const)('what is rounded to %s has been rounded, also where it is widened again', async (dtype) => {
    const d = await open()
    const program = right(await d.compile({ name: 'rounded', outputs: [value('x', cast('f32')(cast(dtype)(x)))] })())
    expect(right(await program.run(given)()).get('x')).toEqual(Float32Array.from(hostArray(a), roundings[dtype]))
    d.close()
  })

  it('of products is a setting: bf16 rounds their operands, tf32 is asked of the hardware', async () => {
    ;(await open()).close()
    const of = async (precision: Precision) => {
      const d = right(await openTarget('pjrt:cpu', { precision })())
      const program = right(await d.compile({ name: 'product', outputs: [value('y', product)] })())
      const said = { text: program.source.join(''), y: right(await program.run(given)()).get('y') ?? [], description: d.description }
      d.close()
      return said
    }
    const [highest, tf32, bf16] = [await of('highest'), await of('tf32'), await of('bf16')]
    const rounded = einsum('mk,kn->mn')(cast('f32')(cast('bf16')(x)), cast('f32')(cast('bf16')(y)))
    const [exact, coarse] = evaluate([product, rounded], new Map([...given.values].map(([path, x]) => [path, Float64Array.from(x)])))
    expectClose(highest.y, exact, 1e-6)
    expectClose(bf16.y, coarse, 1e-6)
    expect(Math.max(...exact.map((x, i) => Math.abs(x - coarse[i])))).toBeGreaterThan(1e-3)
    expect([highest, tf32].map((x) => /precision = \[(\w+)/.exec(x.text)?.[1])).toEqual(['HIGHEST', 'HIGH'])
    expect([highest, bf16].map((x) => x.description.includes('products in bf16'))).toEqual([false, true])
  })

  it('of products is no setting of other targets', async () => {
    const f = left(await openTarget('native', { precision: 'bf16' })())
    expect([f.place, f.found]).toEqual(['accelerator.precision', 'bf16 for native'])
    expect(E.isRight(await openTarget('reference', { precision: 'highest' })())).toBe(true)
  })
})

describe.skipIf(absent)('a program', () => {
  it('is found again, and made again where its file is damaged', async () => {
    await rm(join(place.folder, 'dinograph'), { recursive: true, force: true })
    const sums: Array<number | undefined> = []
    const once = async (): Promise<void> => {
      const d = await open()
      right(await d.write('s', type, new Float32Array(size))())
      const program = right(await d.compile(adding)())
      for (let i = 0; i < 2; i++) sums.push(right(await program.run(feed)()).get('sum')?.[0])
      d.close()
    }
    await once()
    const [first] = await plans()
    const path = join(place.folder, 'dinograph', 'pjrt', first)
    const bytes = await readFile(path)
    await once()
    // what was found is not written again
    expect(await readFile(path)).toEqual(bytes)
    await writeFile(path, bytes.subarray(0, bytes.length - 5))
    await once()
    expect((await readFile(path)).length).toBe(bytes.length)
    expect(await plans()).toEqual([first])
    expect(sums).toEqual([1, 2, 1, 2, 1, 2].map((n) => n * size))
  })

  it('is not taken from a folder in which others could write: it is emptied and closed to them', async () => {
    const folder = join(place.folder, 'dinograph', 'pjrt')
    const said: Array<string> = []
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'plan-planted.msgpack'), 'x')
    await chmod(folder, 0o777)
    if (!isFault(plugin)) vi.stubEnv('DINOGRAPH_PJRT_PLUGIN', plugin.path)
    vi.stubEnv('XDG_CACHE_HOME', place.folder)
    const d = await must(openPjrt('cpu', { say: (text) => said.push(text) }))
    d.close()
    expect(said).toEqual([`pjrt: others could write in ${folder}: it is emptied and closed to them`])
    expect([(await stat(folder)).mode & 0o777, await plans()]).toEqual([0o700, []])
  })
})

/** A library that says it is a plugin, made by the C compiler of this machine. */
const library = async (name: string, code: string): Promise<string> => {
  const [source, path] = [join(place.folder, `${name}.c`), join(place.folder, `${name}.so`)]
  await writeFile(source, code)
  const made = spawnSync(process.env.CC ?? 'cc', ['-shared', '-fPIC', source, '-o', path], { encoding: 'utf8' })
  expect(made.status, made.stderr).toBe(0)
  return path
}

const refused = async (env: Readonly<Record<string, string>>, platform: 'cpu' | 'cuda' = 'cpu') => {
  for (const [name, text] of Object.entries(env)) vi.stubEnv(name, text)
  return left(await openPjrt(platform)())
}

const nowhere = { DINOGRAPH_PJRT_PLUGIN: '', VIRTUAL_ENV: '', CONDA_PREFIX: '', PYTHONPATH: '' }

describe('what does not open', () => {
  it('no plugin: what to install', async () => {
    const f = await refused({ ...nowhere, XDG_CACHE_HOME: join(place.folder, 'empty') })
    expect(f.found).toContain('no PJRT plugin for cpu')
    expect(f.remedy).toMatch(/accelerator (?:-- )?install cpu/)
    const g = await refused({ ...nowhere, XDG_CACHE_HOME: join(place.folder, 'empty') }, 'cuda')
    expect(g.remedy).toMatch(/accelerator (?:-- )?install cuda13/)
  })

  it('a file that is not there, one that is no library, and a library that is no plugin', async () => {
    const missing = await refused({ DINOGRAPH_PJRT_PLUGIN: join(place.folder, 'gone.so') })
    expect([missing.place, missing.found]).toEqual(['DINOGRAPH_PJRT_PLUGIN', `${join(place.folder, 'gone.so')}, which is no file`])
    const text = join(place.folder, 'text.so')
    await writeFile(text, 'hello')
    expect((await refused({ DINOGRAPH_PJRT_PLUGIN: text })).allowed).toContain('a shared library with GetPjrtApi')
    const other = await refused({ DINOGRAPH_PJRT_PLUGIN: await library('other', 'int nothing(void) { return 0; }') })
    expect(other.found).toBe('a library without the function GetPjrtApi')
  })

  it('another version of the interface: which one it is', async () => {
    const table = (major: number, minor: number, size: number): string =>
      `static long table[200]; long *GetPjrtApi(void) { table[0] = ${size}; ((int *)table)[8] = ${major}; ((int *)table)[9] = ${minor}; return table; }`
    const next = await refused({ DINOGRAPH_PJRT_PLUGIN: await library('next', table(1, 2, 1600)) })
    expect(next.found).toContain('version 1.2 of PJRT')
    const old = await refused({ DINOGRAPH_PJRT_PLUGIN: await library('old', table(0, 12, 400)) })
    expect(old.found).toBe('version 0.12 of PJRT, with 45 functions')
    expect(old.remedy).toMatch(/accelerator (?:-- )?install/)
  })

  it.skipIf(absent)('a plugin of another platform; the remedy opens it', async () => {
    const path = isFault(plugin) ? '' : plugin.path
    const f = await refused({ DINOGRAPH_PJRT_PLUGIN: path, XDG_CACHE_HOME: place.folder }, 'cuda')
    expect(f.found).toContain('a plugin for cpu')
    expect(f.remedy).toContain('--target pjrt:cpu')
    const d = await openPjrt('cpu')()
    expect(E.isRight(d)).toBe(true)
    if (E.isRight(d)) d.right.close()
  })
})
