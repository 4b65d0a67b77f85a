/**
 * The engine over gpu.js's OpenGL mode, through gpu.js's own calls: arguments go up and results come down at every
 * launch. It is for comparison; the other modes are faster and exact in integers past 2^24.
 */
import { createRequire } from 'node:module'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { GPU, IKernelRunShortcut } from 'gpu.js'
import { type Fault, fault, messageOf } from '../../../core/fault.ts'
import { type Bound, compiler, promised } from './compile.ts'
import type { Engine, Limits, Slot } from './engine.ts'
import { type Grid, type KernelSource, cells } from './kernel.ts'
import { openSlots } from './slots.ts'
import { loopMax } from './syntax.ts'

interface GlSlot extends Slot {
  readonly data: Float32Array
}

// A kernel of gpu.js returns up to four numbers; textures of 4096 x 4096 are what every driver has.
const limits: Limits = { maxInputs: 15, maxElements: 2 ** 24, matmulBlock: [4, 1], maxBlock: 4 }

const place = 'gpu.js, headlessgl'

const missing = (found: string): Fault =>
  fault('target', {
    place,
    found,
    allowed: 'the packages gpu.js and gl, built for this Node, and a display (xvfb-run makes one)',
    remedy:
      'run `npm install gpu.js@2.24.1 gl@8.1.6` with its build tools (libxi-dev libgl1-mesa-dev libglew-dev python3), or choose another target',
  })

const build =
  (gpu: GPU) =>
  (k: KernelSource, grid: Grid): IKernelRunShortcut => {
    const kernel = gpu.createKernel(k.source, {
      output: grid.threads.slice(0, grid.rank),
      precision: 'single',
    })
    kernel.setLoopMaxIterations(loopMax)
    kernel.setFunctions(k.helpers.map((h) => ({ ...h, argumentTypes: [...h.argumentTypes] })))
    kernel.build(...k.args.map((length) => new Float32Array(length)))
    const compiledBy = kernel.kernel.constructor.name
    if (compiledBy !== 'HeadlessGLKernel') throw missing(`gpu.js compiled kernel ${k.name} with ${compiledBy}`)
    return kernel
  }

/** gpu.js gives rows of rows of numbers or of small arrays; this is the number of element (z, y, x, n) of it. */
const numberAt = (value: unknown, path: ReadonlyArray<number>): number => {
  const found = path.reduce<unknown>((v, n) => (typeof v === 'object' && v !== null ? Reflect.get(v, n) : v), value)
  return typeof found === 'number' ? found : NaN
}

const runOne = ({ compiled: { code, grid, kernel }, args, out }: Bound<IKernelRunShortcut, GlSlot>): void => {
  const result: unknown = code(...args.map((a, n) => a.data.subarray(0, kernel.args[n])))
  const [width, height] = grid.size
  const [bx, by] = grid.block
  const elements = cells(grid)
  const [columns, rows, layers] = grid.threads
  for (let z = 0; z < layers; z += 1) {
    for (let y = 0; y < rows; y += 1) {
      for (let x = 0; x < columns; x += 1) {
        for (const { index, i, j } of elements) {
          const [column, row] = [x * bx + i, y * by + j]
          if (column >= width || row >= height) continue
          out.data[(z * height + row) * width + column] = numberAt(result, [...[z, y].slice(3 - grid.rank), x, index])
        }
      }
    }
  }
}

/** Opens the engine where gpu.js itself and the package gl are installed. */
export const openHeadlessGl = (): TE.TaskEither<Fault, Engine> =>
  TE.tryCatch(
    async () => {
      createRequire(import.meta.url).resolve('gl')
      const { GPU } = await import('gpu.js')
      if (!GPU.isHeadlessGLSupported) throw new Error('the package gl gives no OpenGL context')
      const gpu = new GPU({ mode: 'headlessgl' })
      const slots = openSlots<GlSlot>('headlessgl')
      const engine: Engine = {
        mode: 'headlessgl',
        limits,
        describe: 'OpenGL through the package gl',
        memory: 'own',
        slot: (length) => slots.add({ length, data: new Float32Array(length) }),
        write: (slot, data) => {
          slots.forWriting(slot, data.length).data.set(data)
        },
        read: (slot) => promised(() => slots.get(slot).data.slice()),
        compile: compiler('headlessgl', limits, build(gpu), slots.find, (launches) => ({
          run: () =>
            promised(() => {
              launches.forEach(runOne)
            }),
        })),
        dispose: () => void gpu.destroy(),
      }
      return engine
    },
    (e) => missing(messageOf(e).split('\n', 1)[0]),
  )
