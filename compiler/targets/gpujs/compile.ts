/** What all engines do around their own compiler: check shapes, compile each text once, check launches. */
import * as TE from 'fp-ts/lib/TaskEither.js'
import { type Fault, fault, isFault, messageOf } from '../../../core/fault.ts'
import { stopped } from '../stop.ts'
import type { Engine, Launch, Limits, Mode, Slot } from './engine.ts'
import { type Grid, type KernelSource, gridOf, kernelKey, outputLength } from './kernel.ts'

/** A kernel that is compiled for an engine, K being what the engine made of it. */
export interface Compiled<K> {
  readonly kernel: KernelSource
  readonly grid: Grid
  readonly code: K
}

/** A launch with its kernel and its slots, S being the engine's own slots. */
export interface Bound<K, S> {
  readonly compiled: Compiled<K>
  readonly args: ReadonlyArray<S>
  readonly out: S
}

const place = (mode: Mode, k: KernelSource): string => `kernel ${k.name} (gpu.js, ${mode})`

const shapeOf = (mode: Mode, limits: Limits, k: KernelSource): Grid | Fault => {
  const grid = gridOf(k)
  const bad = (found: string, allowed: string): Fault =>
    fault('target', { place: place(mode, k), found, allowed, remedy: 'split the kernel, or choose another shape for it' })
  if (typeof grid === 'string') return bad(grid, 'one to three positive extents, and a block that fits them')
  if (k.args.length > limits.maxInputs) return bad(`${k.args.length} array arguments`, `up to ${limits.maxInputs} on this device`)
  if (k.block[0] * k.block[1] > limits.maxBlock) return bad(`a block of ${k.block.join(' x ')}`, `up to ${limits.maxBlock} elements`)
  const largest = Math.max(outputLength(k), ...k.args)
  if (largest > limits.maxElements) return bad(`an array of ${largest} floats`, `up to ${limits.maxElements} floats on this device`)
  return grid
}

/** Does something now, and promises its result or what it throws. */
export const promised = <A>(work: () => A | Promise<A>): Promise<A> =>
  new Promise((resolve) => {
    resolve(work())
  })

/**
 * The `compile` of an engine: `build` turns one kernel into the engine's code and may throw, `program` runs launches
 * that have been checked.
 */
export const compiler = <K, S extends Slot>(
  mode: Mode,
  limits: Limits,
  build: (k: KernelSource, grid: Grid) => K | Promise<K>,
  own: (slot: Slot) => S | undefined,
  program: (launches: ReadonlyArray<Bound<K, S>>) => { readonly run: () => Promise<void> },
): Engine['compile'] => {
  // Filled by every call of `compile`, so that a text is compiled once in the life of the engine.
  const known = new Map<string, Promise<Compiled<K>>>()

  const compileOne = (kernel: KernelSource): Promise<Compiled<K>> => {
    const key = kernelKey(kernel)
    const earlier = known.get(key)
    if (earlier !== undefined) return earlier
    const grid = shapeOf(mode, limits, kernel)
    const compiled =
      '_tag' in grid
        ? Promise.reject(grid)
        : promised(() => build(kernel, grid)).then(
            (code) => ({ kernel, grid, code }),
            (e: unknown) => Promise.reject(compileFault(mode, kernel, e)),
          )
    known.set(key, compiled)
    return compiled
  }

  return (kernels, progress, stopping = () => false) =>
    TE.tryCatch(
      async () => {
        const compiled: Array<Compiled<K>> = []
        const state = { next: 0, done: 0 }
        const work = async (): Promise<void> => {
          while (state.next < kernels.length) {
            const n = state.next++
            // translating is work of this thread: between two kernels it looks at what else there is, signals above all
            if (!known.has(kernelKey(kernels[n])))
              await new Promise<void>((resolve) => {
                setTimeout(resolve, 0)
              })
            if (stopping())
              throw stopped(
                `gpu.js, ${mode}`,
                { done: state.done, total: kernels.length, unit: 'kernels' },
                'what a driver keeps of compiled kernels on disk',
              )
            compiled[n] = await compileOne(kernels[n])
            state.done += 1
            progress?.(state.done, kernels.length)
          }
        }
        await Promise.all(Array.from({ length: atOnce }, work))
        return { program: (launches) => program(launches.map((l) => bind(mode, compiled, own, l))) }
      },
      (e) =>
        isFault(e)
          ? e
          : fault('target', { place: `gpu.js, ${mode}`, found: messageOf(e), allowed: 'kernels that compile', remedy: 'report this' }),
    )
}

/** Kernels that are compiled at a time: enough for the threads of any driver, and few enough that stopping takes no time. */
const atOnce = 8

const compileFault = (mode: Mode, k: KernelSource, e: unknown): Fault =>
  isFault(e)
    ? e
    : fault('target', {
        place: place(mode, k),
        found: messageOf(e),
        allowed: "a kernel in gpu.js's language",
        remedy: `look at the kernel's text:\n${[...k.helpers.map((h) => h.source), k.source].join('\n')}`,
      })

const bind = <K, S extends Slot>(
  mode: Mode,
  compiled: ReadonlyArray<Compiled<K>>,
  own: (slot: Slot) => S | undefined,
  launch: Launch,
): Bound<K, S> => {
  const chosen = compiled[launch.kernel]
  const refuse = (where: string, found: string, allowed: string): never => {
    throw fault('target', { place: where, found, allowed, remedy: 'give each launch the slots that its kernel names' })
  }
  if (chosen === undefined) return refuse(`launch (gpu.js, ${mode})`, `kernel ${launch.kernel}`, `0 to ${compiled.length - 1}`)
  const { kernel } = chosen
  const take = (slot: Slot, what: string, length: number): S => {
    const s = own(slot)
    if (s === undefined)
      return refuse(place(mode, kernel), `${what} is a slot of another engine`, 'slots of the engine that runs the kernel')
    return s.length >= length ? s : refuse(place(mode, kernel), `${what} has ${s.length} floats`, `at least ${length}`)
  }
  if (launch.args.length !== kernel.args.length) {
    return refuse(place(mode, kernel), `${launch.args.length} arguments`, `${kernel.args.length}`)
  }
  if (launch.args.includes(launch.out)) return refuse(place(mode, kernel), 'an out slot that is an argument, too', 'another slot')
  const args = launch.args.map((slot, n) => take(slot, `argument a${n}`, kernel.args[n] ?? 0))
  return { compiled: chosen, args, out: take(launch.out, 'the out slot', outputLength(kernel)) }
}
