/** The engine over gpu.js's JavaScript: one core, no device, always there. Arithmetic is in 64 bits, arrays hold 32. */
import { runInThisContext } from 'node:vm'
import { type Bound, compiler, promised } from './compile.ts'
import { cpuNode } from './cpu-node.ts'
import type { Engine, Limits, Slot } from './engine.ts'
import type { Grid, KernelSource } from './kernel.ts'
import { openSlots } from './slots.ts'
import { loopMax, translate } from './syntax.ts'

type Kernel = (...arrays: ReadonlyArray<Float32Array>) => void

interface CpuSlot extends Slot {
  readonly data: Float32Array
}

const limits: Limits = { maxInputs: 64, maxElements: 2 ** 30, matmulBlock: [4, 4], maxBlock: 64 }

/** The text of an expression whose value is a function (a0, a1, …, out) that runs all threads of a kernel. */
const kernelText = (k: KernelSource, grid: Grid): string => {
  const texts = translate(k, grid, cpuNode(grid)).getPrototypes('kernel')
  const [width, height] = grid.size
  const parameters = [...k.args.map((_, n) => `user_a${n}`), '$out']
  return [
    `(() => { 'use strict'; const LOOP_MAX=${loopMax};`,
    ...texts.slice(0, -1),
    `return (${parameters.join(',')}) => {`,
    `for (let $z=0;$z<${grid.threads[2]};$z++) for (let $y=0;$y<${grid.threads[1]};$y++) {`,
    `const $row=($z*${height}+$y*${grid.block[1]})*${width};`,
    `for (let $x=0;$x<${grid.threads[0]};$x++) {`,
    texts.at(-1) ?? '',
    '}}}})()',
  ].join('\n')
}

const isKernel = (f: unknown): f is Kernel => typeof f === 'function'

const build = (k: KernelSource, grid: Grid): Kernel => {
  const kernel: unknown = runInThisContext(kernelText(k, grid))
  if (!isKernel(kernel)) throw new Error('the generated JavaScript is no function')
  return kernel
}

const runAll = (launches: ReadonlyArray<Bound<Kernel, CpuSlot>>): void => {
  for (const { compiled, args, out } of launches) compiled.code(...args.map((a) => a.data), out.data)
}

/** Opens the engine; it needs nothing. */
export const openCpu = (): Engine => {
  const slots = openSlots<CpuSlot>('cpu')
  return {
    mode: 'cpu',
    limits,
    describe: `JavaScript on one core (${process.version})`,
    memory: 'machine',
    slot: (length) => slots.add({ length, data: new Float32Array(length) }),
    write: (slot, data) => {
      slots.forWriting(slot, data.length).data.set(data)
    },
    read: (slot) => promised(() => slots.get(slot).data.slice()),
    compile: compiler('cpu', limits, build, slots.find, (launches) => ({
      run: () =>
        promised(() => {
          runAll(launches)
        }),
    })),
    dispose: () => undefined,
  }
}
