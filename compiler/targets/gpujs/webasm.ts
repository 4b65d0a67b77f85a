/** The engine over gpu.js's WebAssembly with SIMD: all slots lie in one memory that all kernels share. */
import { type Fault, fault, messageOf } from '../../../core/fault.ts'
import { compiler, promised } from './compile.ts'
import type { Engine, Limits, Slot } from './engine.ts'
import { openSlots } from './slots.ts'
import { compileWebasm, maxPages } from './webasm-module.ts'
import { openPool } from './webasm-pool.ts'

interface WebasmSlot extends Slot {
  /** Byte address in the memory. */
  readonly address: number
}

const pageBytes = 65536

/**
 * Blocks that hang over the edge of an output read past the ends of arrays, by up to a block of rows. This much lies
 * before the first array and behind the last one; it costs addresses only, as nothing is ever written there.
 */
const marginBytes = 1 << 26

const limits: Limits = { maxInputs: 64, maxElements: 2 ** 29, matmulBlock: [1, 8], maxBlock: 64 }

const noRoom = (bytes: number, e: unknown): Fault =>
  fault('target', {
    place: 'memory of the webasm engine',
    found: `${bytes} bytes wanted: ${messageOf(e)}`,
    allowed: '4 GiB for all slots together',
    remedy: 'use a smaller batch or model, or the cpu or webgpu engine',
  })

/** Opens the engine; it needs a JavaScript engine with WebAssembly SIMD and shared memory. */
export const openWebasm = (): Engine => {
  const memory = new WebAssembly.Memory({ initial: (2 * marginBytes) / pageBytes, maximum: maxPages, shared: true })
  const pool = openPool(memory)
  const slots = openSlots<WebasmSlot>('webasm')
  const used = { bytes: marginBytes }
  const view = ({ address, length }: WebasmSlot): Float32Array => new Float32Array(memory.buffer, address, length)

  const allocate = (length: number): WebasmSlot => {
    const address = used.bytes
    // Arrays start at cache lines.
    const end = address + Math.ceil((length * 4) / 64) * 64
    const missing = Math.ceil((end + marginBytes - memory.buffer.byteLength) / pageBytes)
    try {
      if (missing > 0) memory.grow(missing)
    } catch (e) {
      throw noRoom(end, e)
    }
    used.bytes = end
    return { length, address }
  }

  return {
    mode: 'webasm',
    limits,
    describe: `WebAssembly SIMD on ${pool.threads} cores (${process.version})`,
    memory: 'machine',
    slot: (length) => slots.add(allocate(length)),
    write: (slot, data) => {
      view(slots.forWriting(slot, data.length)).set(data)
    },
    // A copy into memory of its own: the shared one changes with the next run.
    read: (slot) => promised(() => new Float32Array(view(slots.get(slot)))),
    compile: compiler(
      'webasm',
      limits,
      async (k, grid) => pool.adopt(await compileWebasm(k, grid)),
      slots.find,
      (launches) =>
        pool.program(
          launches.map(({ compiled: { code, grid }, args, out }) => ({
            kernel: code,
            addresses: [...args, out].map((a) => a.address),
            grid,
          })),
        ),
    ),
    dispose: pool.close,
  }
}
